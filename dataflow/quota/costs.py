"""What a row and an edit cost: what was believed before, and what was paid since."""

import math
from dataclasses import dataclass, field

from dataflow.quota.parts import Part

PRIOR_ROWS = 3.0
"""Rows that a price that was read in a table weighs."""

UNSEEN = 0.25
"""Of what is believed to be paid: so far single rows and edits are off, before any was seen."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What is believed before anything was paid, in billionths of the currency; None: not known.

    Args:
        row: writing, drawing and checking one.
        edit: making, measuring and judging one.
        most_edit: what one request of an edit can cost at most, for which room must be left.
        currency: empty where nobody charges.
        parts: of a row's way, of which these prices are the sums.
    """

    row: float | None = None
    edit: float | None = None
    most_edit: int = 0
    currency: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(slots=True)
class Mean:
    """A mean, and how far it may be off.

    Args:
        believed: before anything was seen; None: not known.
    """

    believed: float | None
    _count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0

    def saw(self, total: float, count: int) -> None:
        """So many came to this much together; 0: it comes on top of what others came to."""
        self._count += count
        self._sum += total
        self._squares += total * total / max(1, count)

    @property
    def value(self) -> float | None:
        """The mean; None: nothing is known."""
        if self.believed is None:
            return self._sum / self._count if self._count else None
        return (PRIOR_ROWS * self.believed + self._sum) / (PRIOR_ROWS + self._count)

    @property
    def spread(self) -> float:
        """The standard deviation of one; before two were seen a fourth of the mean."""
        if self._count < 2:
            return UNSEEN * (self.value or 0.0)
        return math.sqrt(max(0.0, self._squares / self._count - (self._sum / self._count) ** 2))

    @property
    def error(self) -> float:
        """The standard deviation of the mean."""
        return self.spread / math.sqrt(PRIOR_ROWS + self._count)


@dataclass(slots=True)
class Costs:
    """What was paid so far, in billionths of the currency."""

    prices: Prices
    row: Mean = field(init=False)
    edit: Mean = field(init=False)
    paid: int = 0

    def __post_init__(self) -> None:
        self.row, self.edit = Mean(self.prices.row), Mean(self.prices.edit)

    def saw(self, cost: int, edits_cost: int, edits: int, *, ended: bool) -> None:
        """A row came back.

        Args:
            cost: of all that it asked.
            edits_cost: of this, its edits with their verdicts.
            edits: how many.
            ended: it came to its end; what one that is asked again has cost counts with its last time.
        """
        self.paid += cost
        self.row.saw(cost - edits_cost, int(ended))
        if edits:
            self.edit.saw(edits_cost, edits)
