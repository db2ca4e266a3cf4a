"""Counts which models answered a step, and warns where another model answered than the one that was asked for."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from dataflow.core.model_names import is_same_model
from dataflow.core.records import Answer
from dataflow.core.worker import Worker

log = logging.getLogger(__name__)

Who = tuple[str, str]  # name of a worker in requests, and the model that answered for it
_MOST = 100  # models that are counted apart: a server may name a new one in each reply


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
        self._warned: set[Who] = set()
        self._counts: Counter[Who] = Counter()

    def arrived(self, worker: str, answer: Answer) -> None:
        """Warn at the first answer of each model that was not asked for.

        Args:
            worker: name in requests.
            answer: of this run.
        """
        asked, who = self.asked.get(worker, ""), (worker, answer.model)
        if not (asked and answer.model) or is_same_model(asked, answer.model):
            return
        if who not in self._warned and len(self._warned) < _MOST:
            self._warned.add(who)
            log.warning(
                "%s was asked for, and %s answered: such answers are taken and counted, and priced as those of %s where"
                " its price is known; strict_model=True stops instead",
                asked, answer.model, answer.model,
            )  # fmt: skip

    def used(self, answers: Iterable[Who]) -> None:
        """Count the answers that a row is made of."""
        for who in answers:
            self._counts[who if who in self._counts or len(self._counts) < _MOST else (who[0], "others")] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Name of a worker → model that answered → how many answers of it rows are made of; the most frequent first.

        Answers of earlier runs are counted too.
        """
        found: dict[str, dict[str, int]] = {}
        for (worker, who), count in self._counts.most_common():
            found.setdefault(worker, {})[who] = count
        return found


def who_answered(worker: str, answer: Answer) -> Who | None:
    """The worker and the model that answered for it, with a router's provider; None if the reply names no model."""
    if not answer.model:
        return None
    return worker, f"{answer.model} at {answer.provider}" if answer.provider else answer.model
