"""What a quota will come to: rows, edits and money, with how far that may be off.

Rates and costs that may be true are drawn from what is known of each, and with each set the rest of the rows is played
through. The chance is seeded: the same outcomes give the same forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dataflow.core.records import JSON, NANO
from dataflow.quota.account import Account
from dataflow.quota.parts import duration_of, split

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

DRAWS = 2000
LOW, HIGH = 5, 95  # percent
EVERY = 100
"""Rows that end between two forecasts at least: one takes some hundredths of a second."""


class Range(NamedTuple):
    """A number that is not known yet: its median, and between which ones it lies nine times in ten."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a quota will come to in the end, with all that was done before.

    Args:
        accepted: rows, without operations that are given up.
        rows: begun.
        edits: made.
        cost: in the currency; None: nobody charges, or no price is known.
        by_operation: operation → its rows.
        affordable: accepted rows that `max_cost` is enough for, where that is less than are wanted.
        by_part: part of a row's way → its share of the cost, as the prices of its requests say.
        seconds: that the rest takes, by how many requests each server takes at once; 0: not known.
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
        """For the step's meta."""

        def listed(of: Range) -> JSON:
            return [round(each, 4) for each in of]

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
    """The forecast of an account, made anew once enough was seen.

    Args:
        account: that it is of.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._made_at = -1
        self._made: Forecast | None = None

    @property
    def now(self) -> Forecast:
        """At most 100 rows, or 2 % of those that ended, old; of an account with no open rows as it is."""
        ended = self.account.ended
        due = self._made_at + (max(EVERY, ended // 50) if self.account.open.total() else 1)
        if self._made is None or ended >= due:
            self._made_at, self._made = ended, forecast(self.account)
        return self._made


def forecast(account: Account, *, draws: int = DRAWS) -> Forecast:
    """What an account will come to, by what is known now.

    Args:
        account: as it stands.
        draws: sets of rates and costs that are played through.
    """
    import numpy as np  # help and imports need not load it

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
        {name: _range(ended[name] + rows[:, at]) for at, name in enumerate(open_)},
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
    """Tries of so many rows: each has one, and one more for every try that did not pass."""
    import numpy as np

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
    """In billionths; None: not known."""
    import numpy as np

    costs = account.costs
    if costs.row.value is None or costs.edit.value is None or not (costs.row.value or costs.edit.value):
        return None
    total = np.full(rows.shape, float(costs.paid))
    for count, of in ((rows, costs.row), (edits, costs.edit)):
        each = (of.value or 0.0) + of.error * chance.standard_normal(rows.shape)
        total += np.maximum(0, count * each + of.spread * np.sqrt(count) * chance.standard_normal(rows.shape))
    return total


def _by_part(account: Account, rows: float, edits: float, cost: float) -> Mapping[str, float]:
    """What each part of all rows and edits comes to, in the currency; together the cost."""
    costs = account.costs
    of_rows, of_edits = rows * (costs.row.value or 0.0), edits * (costs.edit.value or 0.0)
    scale = cost / (of_rows + of_edits) / NANO
    return split(costs.prices.parts, of_rows * scale, of_edits * scale)


def _affordable(account: Account, cost: float, accepted: int) -> int | None:
    limit = account.quota.max_cost
    if limit is None or cost <= limit:
        return None
    have, paid = account.accepted.total(), account.costs.paid / NANO
    return have + int((accepted - have) * max(0.0, limit - paid) / (cost - paid))


def _range(of: "NDArray[float64]") -> Range:
    import numpy as np

    return Range(*(float(each) for each in np.percentile(of, (50, LOW, HIGH))))
