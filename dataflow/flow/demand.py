"""What a dry run counts: how many requests the open rows of a step will send, at what cost, and how long they take.

The first requests of a row are known, so the length of their texts bounds their cost. Later requests depend on answers
that are not there, so they are assumed as the operator `expects` them: usually at the price of a usual picture, and at
most at the price of all that the model takes.
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
"""Seconds assumed for one request until a run has measured it."""

_NOTHING_ANSWERED: Counter[str] = Counter()


@dataclass(slots=True)
class _Wanted:
    """Requests of one worker for one kind of answer; fractional where a sample of rows stands for more rows.

    Attributes:
        usual: requests that are usually sent.
        most: requests that are sent at most, where answers fail and the operator asks again.
        assumed: how many of `usual` no row was seen to ask.
        highest: what `most` requests cost at most, in billionths of the currency.
    """

    usual: float = 0.0
    most: float = 0.0
    assumed: float = 0.0
    highest: float = 0.0


def places_of(worker: Worker, makes: Makes) -> int:
    """How many requests a worker can have in flight at once, as far as that is known before it is asked."""
    if makes == "image" and worker.limits.drawn_at_once:
        return worker.limits.drawn_at_once
    return max(1, (worker.limits.width - worker.batching.ahead) * worker.placement.processes)


class _ColumnMissingError(RowError):
    """A row of a later step cannot be planned, since an earlier step has not made one of its columns."""


class _Unmade(Row):
    """A row of a step that has not run; reading a column that is not made yet raises `_ColumnMissingError`."""

    def __missing__(self, column: str) -> object:
        raise _ColumnMissingError(f"`{column}` is not made yet")


class Demand:
    """Adds up the requests that rows will send.

    Args:
        recipe: what the step does.
        budget: what its workers charge.
    """

    def __init__(self, recipe: Recipe, budget: Budget) -> None:
        self._recipe = recipe
        self._budget = budget
        self._wanted: defaultdict[tuple[str, Makes], _Wanted] = defaultdict(_Wanted)
        self._first = 0  # highest cost of the first request that is charged, in billionths
        self._paid: Counter[str] = Counter()  # worker → answers of this step whose cost is known
        self._paid_cost: Counter[str] = Counter()  # worker → what these cost together, in billionths

    def answered(self, job: Job, answer: Answer) -> None:
        """Note an answer that the journal has: its cost tells better than a price table what further answers cost."""
        charge = self._budget.charge(job, answer)
        if charge is not None and charge.cost is not None:
            self._paid[job.request.worker] += 1
            self._paid_cost[job.request.worker] += charge.cost

    def forget_rows(self) -> None:
        """Forget all rows; what answers cost stays known."""
        self._wanted.clear()
        self._first = 0

    def add(self, row: Row, requests: Sequence[Request], answered: Mapping[str, int]) -> None:
        """Add an open row.

        Args:
            row: the row as the source gives it.
            requests: the requests that it sends next.
            answered: worker → how many of the row's requests the journal has answers to.
        """
        self._add_seen(requests, rows=1.0, assumed=False)
        self._add_expected(self._recipe.expects(row), requests, answered, rows=1.0)

    def add_requests(self, requests: Sequence[Request]) -> None:
        """Add requests that belong to no row."""
        self._add_seen(requests, rows=1.0, assumed=False)

    def add_unmade(self, row: Row, rows: float) -> None:
        """Add rows of a step whose input is not made yet.

        Args:
            row: one row as far as it is known; it lacks the columns that an earlier step will make.
            rows: how many rows it stands for.
        """
        expects = self._recipe.expects(row)
        requests = self._first_requests(row)
        if requests is None:
            requests, expects = (), {**dict.fromkeys(self._recipe.workers, (1, 1)), **expects}
        elif not requests:
            return
        self._add_seen(requests, rows=rows, assumed=True)
        self._add_expected(expects, requests, _NOTHING_ANSWERED, rows=rows)

    def _first_requests(self, row: Row) -> Sequence[Request] | None:
        """The first wave of a row; empty if it asks nothing, None if a column is missing that it is planned by."""
        if any(is_empty(row.get(column)) for column in self._recipe.inputs):
            return None
        try:
            return next(self._recipe.steps(_Unmade(row)))
        except _ColumnMissingError:
            return None
        except (StopIteration, RowError):
            return ()

    def _add_seen(self, requests: Sequence[Request], *, rows: float, assumed: bool) -> None:
        """Add requests whose texts and pictures are known, once for each of `rows` rows."""
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
        """Add the requests that an operator expects of a row beyond those that were seen or are answered.

        Args:
            expects: worker → how many requests a row sends in all, usually and at most.
            requests: the requests that were seen.
            answered: worker → how many requests the journal has answers to.
            rows: how many rows the row stands for.
        """
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
        """The kind of answer assumed for an unseen request: that of a seen request, else pictures if any are stored."""
        worker = self._recipe.workers.get(name)
        if worker is None:
            raise ConfigError(f"{self._recipe.name} expects requests of {name!r}, a worker that it was not given")
        stores: Makes = "image" if worker.save_path else "text"
        return next((request.makes for request in requests if request.worker == name), stores)

    @property
    def remaining(self) -> int:
        """Requests that are usually sent."""
        return round(sum(wanted.usual for wanted in self._wanted.values()))

    @property
    def asked(self) -> frozenset[str]:
        """Names of the workers that requests go to."""
        return frozenset(name for name, _ in self._wanted)

    @property
    def charging(self) -> frozenset[str]:
        """Names of those workers in `asked` that charge."""
        return self.asked & self._budget.priced.keys()

    def estimate(
        self, *, answered: int, up_to: bool, currency: str, left: int | None, measured_seconds: float
    ) -> Estimate:
        """The estimate of all that was added.

        Args:
            answered: requests that the journal has answers to.
            up_to: the step's input is not made yet, so the number of rows is an upper bound.
            currency: of the costs.
            left: what `max_cost` leaves, in billionths of the currency; None: there is no limit.
            measured_seconds: how long the requests take by the speed of the last run, in seconds; 0: not known.
        """
        wanted, charging = self._wanted, self.charging
        usual_cost, unknown, assumed_prices = self._usual_cost()
        return Estimate(
            remaining=self.remaining,
            remaining_most=round(sum(requests.most for requests in wanted.values())),
            assumed=round(sum(requests.assumed for requests in wanted.values())),
            answered=answered,
            up_to=up_to,
            charged=bool(charging),
            currency=currency,
            most=sum(requests.highest for requests in wanted.values()) / NANO,
            bounded=all(requests.highest for (name, _), requests in wanted.items() if name in charging),
            first=self._first / NANO,
            left=None if left is None else left / NANO,
            about=usual_cost,
            unknown=unknown,
            usual_each=assumed_prices,
            seconds=measured_seconds or self._seconds(),
            seconds_each=() if measured_seconds else self._seconds_each(),
        )

    def _usual_cost(self) -> tuple[float, int, tuple[float, ...]]:
        """The cost of the usual requests.

        Returns:
            Their cost in the currency, how many requests it leaves out since nothing tells their price, and the prices
            of usual pictures, in the currency, that it assumes.
        """
        cost, unknown, assumed = 0.0, 0.0, set()
        for (name, makes), wanted in self._wanted.items():
            if name not in self._budget.priced:
                continue
            price = self._budget.usual_cost(name, makes)
            if self._paid[name]:  # the mean cost of this step's own answers tells more than a price table
                price = self._paid_cost[name] / self._paid[name]
            if price is None:
                unknown += wanted.usual
            else:
                cost += price * wanted.usual
                if wanted.usual and not self._paid[name] and self._budget.is_usual(name):
                    assumed.add(price / NANO)
        return cost / NANO, round(unknown), tuple(sorted(assumed))

    def _seconds(self) -> float:
        """How long the usual requests take, in seconds, if each takes as long as `SECONDS` assumes."""
        total = 0.0
        for (name, makes), wanted in self._wanted.items():
            width = places_of(self._recipe.workers[name], makes)
            total += SECONDS[makes] * max(1.0, wanted.usual / width) if wanted.usual else 0.0
        return total

    def _seconds_each(self) -> tuple[float, ...]:
        return tuple(sorted({SECONDS[makes] for (_, makes), wanted in self._wanted.items() if wanted.usual}))
