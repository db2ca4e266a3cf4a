"""Forecasts the rows, edits and money of a quota, each with a range.

The method is Monte Carlo simulation: pass rates and costs are drawn from their posterior distributions, and with each
set of them the remaining rows are simulated. The generator of random numbers has a fixed seed, so the same outcomes
give the same forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dataflow.core.records import JSON, NANO
from dataflow.quota.next_row import Account
from dataflow.quota.parts import duration_of, split

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

DRAWS = 2000
LOW, HIGH = 5, 95  # percentiles of a range
EVERY = 100
"""Least number of rows that end between two forecasts, since a forecast takes some hundredths of a second."""


class Range(NamedTuple):
    """A forecast number: its median, and the interval in which it lies with a probability of 90 %."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The numbers of a quota at its end, with everything that was done so far.

    Args:
        accepted: number of accepted rows, without the missing rows of operations that were given up.
        rows: number of rows that begin.
        edits: number of edits.
        cost: cost in the currency; None: nobody charges, or no price is known.
        by_operation: operation with missing rows → number of its rows that begin.
        affordable: number of accepted rows that `max_cost` pays for; None: it pays for all.
        by_part: name of a part of the work → its cost in the currency, by the prices of its requests.
        seconds: time that the remaining rows take, by how many requests each server takes at once; 0: not known.
    """

    accepted: int
    rows: Range
    edits: Range
    cost: Range | None
    by_operation: Mapping[str, Range]
    affordable: int | None = None
    by_part: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, JSON]:
        """Return the numbers for the step's meta file; a range is the list [median, low, high]."""

        def listed(values: Range) -> JSON:
            return [round(each, 4) for each in values]

        return {
            "accepted": self.accepted,
            "rows": listed(self.rows),
            "edits": listed(self.edits),
            "cost": None if self.cost is None else listed(self.cost),
            "rows_by_operation": {name: listed(each) for name, each in self.by_operation.items()},
            "affordable": self.affordable,
            "cost_by_part": {name: round(each, 4) for name, each in self.by_part.items()},
        }


class Outlook:
    """The latest forecast of an account; a new one is made when enough further rows have ended.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._made_at = -1
        self._made: Forecast | None = None

    @property
    def now(self) -> Forecast:
        """The forecast, at most EVERY ended rows or 2 % of all ended rows old; without open rows it is current."""
        ended = self.account.ended
        due = self._made_at + (max(EVERY, ended // 50) if self.account.open.total() else 1)
        if self._made is None or ended >= due:
            self._made_at, self._made = ended, forecast(self.account)
        return self._made


def forecast(account: Account, *, draws: int = DRAWS) -> Forecast:
    """Forecast the end of an account.

    Args:
        account: the account.
        draws: number of simulations.
    """
    import numpy as np  # not at the top: `import dataflow` must not load numpy

    chance = np.random.default_rng(0)
    open_ = [name for name in account.wanted if account.short(name) and name not in account.given_up]
    rows = np.zeros((draws, len(open_)))
    edits = np.zeros(draws)
    if open_:
        short = np.array([account.short(name) for name in open_])
        reaches, first, again = account.rates.draw(chance, draws, open_)
        passes = reaches * (1 - (1 - first) * (1 - again) ** (account.rates.tries - 1))
        rows = short + chance.negative_binomial(short, passes)
        tries = _tries(rows * reaches, first, again, account.rates.tries, chance).sum(axis=1)
        edits = account.candidates * tries
    ended = account.accepted + account.rejected
    before, made = account.ended, account.edits.total()
    cost = _cost(account, rows.sum(axis=1), edits, chance)
    accepted = account.accepted.total() + sum(map(account.short, open_))
    more_rows, more_edits = float(np.median(rows.sum(axis=1))), float(np.median(edits))
    parts, most = account.costs.prices.parts, account.quota.open_at_most
    return Forecast(
        accepted,
        _range(before + rows.sum(axis=1)),
        _range(made + edits),
        None if cost is None else _range(cost / NANO),
        {name: _range(ended[name] + rows[:, column]) for column, name in enumerate(open_)},
        None if cost is None else _affordable(account, float(np.median(cost)) / NANO, accepted),
        {} if cost is None else _by_part(account, before + more_rows, made + more_edits, float(np.median(cost))),
        duration_of(parts, more_rows, more_edits, most),
    )


def _tries(
    rows: "NDArray[float64]",
    first: "NDArray[float64]",
    again: "NDArray[float64]",
    tries: int,
    chance: "Generator",
) -> "NDArray[float64]":
    """Simulate the number of tries of rows that reach their edit.

    A row has one try, and a further one after each that did not pass. The sum over many rows is drawn from the normal
    distribution with the mean and the variance of one row's tries.

    Args:
        rows: number of rows, shape (draws, operations).
        first: pass rate of first tries, shape (draws, operations).
        again: pass rate of further tries, shape (draws, operations).
        tries: greatest number of tries of a row.
        chance: the generator of random numbers.

    Returns:
        Number of tries, shape (draws, operations).
    """
    import numpy as np

    # Of the tries N of one row: E[N] is the sum of P(N > k), and E[N^2] that of (2k + 1) P(N > k), from k = 0 on.
    mean = square = np.ones_like(first)
    reached = 1 - first
    for number in range(1, tries):
        mean, square = mean + reached, square + (2 * number + 1) * reached
        reached = reached * (1 - again)
    spread = np.sqrt(rows * np.maximum(0, square - mean**2))
    return np.maximum(rows, rows * mean + spread * chance.standard_normal(rows.shape))


def _cost(
    account: Account, rows: "NDArray[float64]", edits: "NDArray[float64]", chance: "Generator"
) -> "NDArray[float64] | None":
    """Simulate the whole cost, in billionths, shape (draws,); None: not known."""
    import numpy as np

    costs = account.costs
    if costs.row.value is None or costs.edit.value is None or not (costs.row.value or costs.edit.value):
        return None
    total = np.full(rows.shape, float(costs.paid))
    for count, cost in ((rows, costs.row), (edits, costs.edit)):
        mean = (cost.value or 0.0) + cost.error * chance.standard_normal(rows.shape)
        total += np.maximum(0, count * mean + cost.spread * np.sqrt(count) * chance.standard_normal(rows.shape))
    return total


def _by_part(account: Account, rows: float, edits: float, cost: float) -> Mapping[str, float]:
    """Divide the cost, in billionths, among the parts of the work; the results are in the currency."""
    costs = account.costs
    of_rows, of_edits = rows * (costs.row.value or 0.0), edits * (costs.edit.value or 0.0)
    scale = cost / (of_rows + of_edits) / NANO
    return split(costs.prices.parts, of_rows * scale, of_edits * scale)


def _affordable(account: Account, cost: float, accepted: int) -> int | None:
    """Return the number of accepted rows that `max_cost` pays for, if the whole cost is above it."""
    limit = account.quota.max_cost
    if limit is None or cost <= limit:
        return None
    present, paid = account.accepted.total(), account.costs.paid / NANO
    return present + int((accepted - present) * max(0.0, limit - paid) / (cost - paid))


def _range(values: "NDArray[float64]") -> Range:
    import numpy as np

    return Range(*(float(each) for each in np.percentile(values, (50, LOW, HIGH))))
