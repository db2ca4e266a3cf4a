"""Who answered the requests of a step: counted, and told where it is another model than the one asked for."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from dataflow.core.model_names import is_same_model
from dataflow.core.records import Answer
from dataflow.core.worker import Worker

log = logging.getLogger(__name__)

Who = tuple[str, str]  # name of a worker in requests, and the model that answered for it
_MOST = 100  # names that are told apart: a server may make one up for each reply


class AnsweredBy:
    """The models that answered in one run of a step, as far as replies name them.

    Args:
        workers: name in requests → worker.

    Attributes:
        asked: name in requests → the model asked for, where the worker names one.
    """

    def __init__(self, workers: Mapping[str, Worker] | None = None) -> None:
        billings = {name: worker.billing() for name, worker in (workers or {}).items()}
        self.asked = {name: billing.model for name, billing in billings.items() if billing is not None}
        self._told: set[Who] = set()
        self._counts: Counter[Who] = Counter()

    def arrived(self, worker: str, answer: Answer) -> None:
        """Tell of the first answer of each other model than asked."""
        asked, who = self.asked.get(worker, ""), (worker, answer.model)
        if not (asked and answer.model) or is_same_model(asked, answer.model):
            return
        if who not in self._told and len(self._told) < _MOST:
            self._told.add(who)
            log.warning(
                "%s was asked for, and %s answered: such answers are taken and counted, and priced as those of %s where"
                " its price is known; strict_model=True stops instead",
                asked, answer.model, answer.model,
            )  # fmt: skip

    def used(self, answers: Iterable[Who]) -> None:
        """A row is made of these answers."""
        for who in answers:
            self._counts[who if who in self._counts or len(self._counts) < _MOST else (who[0], "others")] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Name of a worker → who answered → answers that rows are made of, of this run or before; most first."""
        found: dict[str, dict[str, int]] = {}
        for (worker, who), count in self._counts.most_common():
            found.setdefault(worker, {})[who] = count
        return found


def who_answered(worker: str, answer: Answer) -> Who | None:
    """Who answered for a worker; None where the reply does not say."""
    if not answer.model:
        return None
    return worker, f"{answer.model} at {answer.provider}" if answer.provider else answer.model
