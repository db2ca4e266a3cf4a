"""What the open rows of a step ask of its workers: how many requests, at what cost, for how long.

The first requests of a row are seen, so their words bound what they cost. The others are assumed, as the operator
`expects` them: at the price of a usual picture, and bounded by all that the model takes.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import NANO, Answer, Job, Makes, Request, Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, RowError
from dataflow.flow.recipe import Expects, Recipe, is_empty
from dataflow.money.budget import Budget
from dataflow.money.estimate import Estimate

SECONDS: Mapping[Makes, float] = {"image": 12.0, "text": 5.0}
"""Assumed for one request until a run has shown how long they take."""

_NOTHING_ANSWERED: Counter[str] = Counter()


@dataclass(slots=True)
class _Wanted:
    """Requests of one worker for one kind of answer; fractions where rows stand for others."""

    usual: float = 0.0
    most: float = 0.0
    assumed: float = 0.0  # of the usual ones
    highest: float = 0.0  # what the most of them cost at most, in billionths


def places_of(worker: Worker, makes: Makes) -> int:
    """Requests that a worker has in flight at once, as far as is known before it is asked."""
    if makes == "image" and worker.limits.drawn_at_once:
        return worker.limits.drawn_at_once
    return max(1, (worker.limits.width - worker.batching.ahead) * worker.placement.processes)


class _ColumnMissingError(RowError):
    """A row cannot be planned, since a column is not made yet."""


class _Unmade(Row):
    """A row of a step that has not run."""

    def __missing__(self, column: str) -> object:
        raise _ColumnMissingError(f"`{column}` is not made yet")


class Demand:
    """Adds up what is asked, row by row.

    Args:
        recipe: the operator's.
        budget: what its workers charge.
    """

    def __init__(self, recipe: Recipe, budget: Budget) -> None:
        self._recipe = recipe
        self._budget = budget
        self._wanted: defaultdict[tuple[str, Makes], _Wanted] = defaultdict(_Wanted)
        self._first = 0  # billionths that the first request may cost which costs something
        self._paid: Counter[str] = Counter()  # by worker: answers whose cost is known
        self._paid_cost: Counter[str] = Counter()

    def answered(self, job: Job, answer: Answer) -> None:
        """An answer that is there: its cost says what the others may cost."""
        charge = self._budget.charge(job, answer)
        if charge is not None and charge.cost is not None:
            self._paid[job.request.worker] += 1
            self._paid_cost[job.request.worker] += charge.cost

    def forget_rows(self) -> None:
        """Begin again with the rows."""
        self._wanted.clear()
        self._first = 0

    def add(self, row: Row, requests: Sequence[Request], answered: Mapping[str, int]) -> None:
        """A row that is there.

        Args:
            row: as it came in.
            requests: that it asks next.
            answered: how many of its requests are answered, by worker.
        """
        self._add_seen(requests, rows=1.0, assumed=False)
        self._add_expected(self._recipe.expects(row), requests, answered, rows=1.0)

    def add_alone(self, requests: Sequence[Request]) -> None:
        """Requests that belong to no row."""
        self._add_seen(requests, rows=1.0, assumed=False)

    def add_unmade(self, row: Row, rows: float) -> None:
        """So many rows of a step that has not run, each like this one, which lacks what is not made yet."""
        expects = self._recipe.expects(row)
        requests = self._first_requests(row)
        if requests is None:
            requests, expects = (), {**dict.fromkeys(self._recipe.workers, (1, 1)), **expects}
        elif not requests:
            return
        self._add_seen(requests, rows=rows, assumed=True)
        self._add_expected(expects, requests, _NOTHING_ANSWERED, rows=rows)

    def _first_requests(self, row: Row) -> Sequence[Request] | None:
        """What a row asks first; None: it cannot be planned yet."""
        if any(is_empty(row.get(column)) for column in self._recipe.inputs):
            return None
        try:
            return next(self._recipe.steps(_Unmade(row)))
        except _ColumnMissingError:
            return None
        except (StopIteration, RowError):
            return ()

    def _add_seen(self, requests: Sequence[Request], *, rows: float, assumed: bool) -> None:
        for request in requests:
            wanted = self._wanted[request.worker, request.makes]
            wanted.usual += rows
            wanted.most += rows
            wanted.assumed += rows * assumed
            most = self._budget.most(request)
            wanted.highest += rows * most
            self._first = self._first or most

    def _add_expected(
        self, expects: Expects, requests: Sequence[Request], answered: Mapping[str, int], *, rows: float
    ) -> None:
        """What an operator expects beyond the requests that were seen."""
        for name, (usual, most) in expects.items():
            makes = self._makes(name, requests)
            own = (request for request in requests if not request.along)
            seen = answered.get(name, 0) + sum(request.worker == name for request in own)
            further, at_most = max(0, usual - seen), max(0, usual - seen, most - seen)
            if not at_most:
                continue
            wanted = self._wanted[name, makes]
            wanted.usual += rows * further
            wanted.most += rows * at_most
            wanted.assumed += rows * further
            wanted.highest += rows * at_most * self._budget.most_unseen(name, makes)

    def _makes(self, name: str, requests: Sequence[Request]) -> Makes:
        """What a worker is asked for: the same as in a request that was seen, else pictures if it stores some."""
        worker = self._recipe.workers.get(name)
        if worker is None:
            raise ConfigError(f"{self._recipe.name} expects requests of {name!r}, a worker that it was not given")
        stores: Makes = "image" if worker.save_path else "text"
        return next((request.makes for request in requests if request.worker == name), stores)

    @property
    def remaining(self) -> int:
        """Requests that are usually asked."""
        return round(sum(wanted.usual for wanted in self._wanted.values()))

    @property
    def asked(self) -> frozenset[str]:
        """The workers that are asked."""
        return frozenset(name for name, _ in self._wanted)

    @property
    def charging(self) -> frozenset[str]:
        """Those of them that charge for it."""
        return self.asked & self._budget.priced.keys()

    def estimate(
        self, *, answered: int, up_to: bool, currency: str, left: int | None, measured_seconds: float
    ) -> Estimate:
        """All of it.

        Args:
            answered: requests whose answer is there.
            up_to: the rows are not made yet.
            currency: of the costs.
            left: billionths that the limit leaves; None: there is no limit.
            measured_seconds: how long it takes by the speed of the last run; 0: not known.
        """
        wanted, charging = self._wanted, self.charging
        about, unknown, usual_each = self._usual_cost()
        return Estimate(
            remaining=self.remaining,
            remaining_most=round(sum(each.most for each in wanted.values())),
            assumed=round(sum(each.assumed for each in wanted.values())),
            answered=answered,
            up_to=up_to,
            charged=bool(charging),
            currency=currency,
            most=sum(each.highest for each in wanted.values()) / NANO,
            bounded=all(each.highest for (name, _), each in wanted.items() if name in charging),
            first=self._first / NANO,
            left=None if left is None else left / NANO,
            about=about,
            unknown=unknown,
            usual_each=usual_each,
            seconds=measured_seconds or self._seconds(),
            seconds_each=() if measured_seconds else self._seconds_each(),
        )

    def _usual_cost(self) -> tuple[float, int, tuple[float, ...]]:
        """What the usual requests cost, how many that leaves out, since nothing tells their cost, and what is assumed.

        The last are the prices of usual pictures, in the currency.
        """
        cost, unknown, assumed = 0.0, 0.0, set()
        for (name, makes), wanted in self._wanted.items():
            if name not in self._budget.priced:
                continue
            each = self._budget.about(name, makes)
            if self._paid[name]:  # what answers of this step have cost is better than a list
                each = self._paid_cost[name] / self._paid[name]
            if each is None:
                unknown += wanted.usual
            else:
                cost += each * wanted.usual
                if wanted.usual and not self._paid[name] and self._budget.is_usual(name):
                    assumed.add(each / NANO)
        return cost / NANO, round(unknown), tuple(sorted(assumed))

    def _seconds(self) -> float:
        """How long the usual requests take if each takes as long as assumed."""
        total = 0.0
        for (name, makes), wanted in self._wanted.items():
            width = places_of(self._recipe.workers[name], makes)
            total += SECONDS[makes] * max(1.0, wanted.usual / width) if wanted.usual else 0.0
        return total

    def _seconds_each(self) -> tuple[float, ...]:
        return tuple(sorted({SECONDS[makes] for (_, makes), wanted in self._wanted.items() if wanted.usual}))
