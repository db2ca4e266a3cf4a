"""Estimates what a row and an edit cost: by the price table first, and more and more by what was paid."""

import math
from dataclasses import dataclass, field

from dataflow.quota.parts import Part

PRIOR_ROWS = 3.0
"""Number of rows or edits whose weight the cost by the price table has in a mean."""

UNSEEN = 0.25
"""Assumed standard deviation of the cost of one row or edit, as a share of the cost, before two were paid."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Costs by the price table, before anything was paid, in billionths of the currency.

    Args:
        row: usual cost of writing, drawing and checking a row; None: not known.
        edit: usual cost of making, measuring and judging an edit; None: not known.
        most_edit: highest cost of one request for an edit; money for it is kept free.
        currency: the currency; "": nobody charges.
        parts: the parts of one row's work, of which `row` and `edit` are the sums.
    """

    row: float | None = None
    edit: float | None = None
    most_edit: int = 0
    currency: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(slots=True)
class Mean:
    """The mean of a cost, with an assumed value that has the weight of PRIOR_ROWS, and its error.

    Args:
        believed: the assumed value; None: there is none.
    """

    believed: float | None
    _count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0

    def add(self, total: float, count: int) -> None:
        """Add `count` rows or edits that cost `total` together; with a count of 0 only the cost is added."""
        self._count += count
        self._sum += total
        self._squares += total * total / max(1, count)

    @property
    def value(self) -> float | None:
        """The mean; None: nothing was assumed or added."""
        if self.believed is None:
            return self._sum / self._count if self._count else None
        return (PRIOR_ROWS * self.believed + self._sum) / (PRIOR_ROWS + self._count)

    @property
    def spread(self) -> float:
        """The standard deviation of a single row or edit; before two were added, UNSEEN times the mean."""
        if self._count < 2:
            return UNSEEN * (self.value or 0.0)
        return math.sqrt(max(0.0, self._squares / self._count - (self._sum / self._count) ** 2))

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.spread / math.sqrt(PRIOR_ROWS + self._count)


@dataclass(slots=True)
class Costs:
    """The costs of a quota so far.

    Args:
        prices: the costs by the price table.

    Attributes:
        row: cost of a row before its edits.
        edit: cost of an edit and its verdict.
        paid: sum of all costs, in billionths of the currency.
    """

    prices: Prices
    row: Mean = field(init=False)
    edit: Mean = field(init=False)
    paid: int = 0

    def __post_init__(self) -> None:
        self.row, self.edit = Mean(self.prices.row), Mean(self.prices.edit)

    def add(self, cost: int, edits_cost: int, edits: int, *, ended: bool) -> None:
        """Add the costs of a row.

        Args:
            cost: cost of all its requests, in billionths of the currency.
            edits_cost: the part of this for edits and their verdicts.
            edits: number of edits.
            ended: the row ended. False: the row is asked for again, and its cost so far is added to that of its end.
        """
        self.paid += cost
        self.row.add(cost - edits_cost, int(ended))
        if edits:
            self.edit.add(edits_cost, edits)
