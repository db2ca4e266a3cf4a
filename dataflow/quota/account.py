"""Which operation the next row is of, or that there is none: decided by what became of the rows before, in their order.

Nothing else enters: no clock, and no money but what the journal has of rows that ended. So a resumed run decides the
same. A row that failed, which the next run asks again, holds its place: a dead server does not make rows without end.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dataflow.core.records import NANO
from dataflow.quota.costs import Costs, Prices
from dataflow.quota.quota import Quota
from dataflow.quota.rates import LEAST_ROWS, PassRates, best_of
from dataflow.taxonomy.mix import counts_of

LEAST_ON_TRIAL = 8
"""Rows that may be open of an operation that has had its 25 rows and none accepted: the next few decide."""

ROWS_PRICED = 4
"""Rows that show what rows cost. Before so many ended, a limit on the cost opens no more than these where no price is
known, and else as many as it is enough for at twice the price."""

Ending = Literal["accepted", "rejected", "unwanted", "failed", "unfit", "again"]


@dataclass(frozen=True, slots=True)
class RowEnd:
    """What became of a row.

    Args:
        operation: of its edit.
        ending: "accepted"; "rejected" for good; "unwanted", since no more of its operation are wanted; "failed", which
            the next run asks again; "unfit", where what came in can be edited in no way, which says nothing of the
            operation; or "again": this run asks again.
        tries: that its edit had.
        edits: made for it.
        edits_cost: what they cost with their verdicts, in billionths of the currency; None: not known.
        cost: of all that was asked for it.
        faults: why edits were not accepted: a gate, or the axis that the judge saw worst.
        lost: why the row came to nothing before its edit; empty: it had one.
    """

    operation: str
    ending: Ending
    tries: int = 0
    edits: int = 0
    edits_cost: int | None = 0
    cost: int | None = 0
    faults: tuple[str, ...] = ()
    lost: str = ""


class Account:
    """What a quota wants, what is open, accepted and paid.

    Args:
        quota: what the user wants.
        shares: operation → its share of the accepted rows; they add up to 1.
        priors: operation → the share of its first edits that is accepted, as believed before.
        tries: of a row at most.
        candidates: edits of each try.
        prices: what rows and edits cost, as believed before.
    """

    def __init__(
        self,
        quota: Quota,
        shares: Mapping[str, float],
        priors: Mapping[str, float],
        *,
        tries: int,
        candidates: int = 1,
        prices: Prices | None = None,
    ) -> None:
        self.quota, self.shares, self.candidates = quota, shares, candidates
        self.wanted: Mapping[str, int] = counts_of(shares, quota.accepted)
        self.rates = PassRates({name: best_of(prior, candidates) for name, prior in priors.items()}, tries)
        self.costs = Costs(prices or Prices())
        self.open: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.unwanted = 0
        self.edits: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.given_up: list[str] = []
        self.is_out_of_money = False
        self._wanting: list[str] | None = None  # until a row is begun or ends

    def hand_out(self) -> str | None:
        """The operation of one more row, which is open then; None: no row may be begun until another ended, if then."""
        for operation in self.may_begin():
            self.begin(operation)
            return operation
        return None

    def may_begin(self) -> list[str]:
        """Operations that one more row may be of, the shortest first; none: not until another ended, if then."""
        if self.is_out_of_money or self.open.total() >= self.quota.open_at_most:
            return []
        wanting = self.wanting()
        if wanting and not self._can_pay():
            self.is_out_of_money = not self.open.total()  # what is open may leave room, since it may be less dear
            return []
        return wanting

    @property
    def is_held(self) -> bool:
        """Whether more rows are wanted, and none may be begun beside those that are open."""
        return self.open.total() >= self.quota.open_at_most and not self.is_out_of_money and bool(self.wanting())

    def begin(self, operation: str) -> None:
        """A row is open, counted for this operation."""
        self.open[operation] += 1
        self._wanting = None

    def is_filled(self, operation: str) -> bool:
        """Whether no more accepted rows of it are wanted, whatever open ones come to."""
        return self.accepted[operation] >= self.wanted.get(operation, 0) or operation in self.given_up

    def wanting(self) -> list[str]:
        """Operations of which more is wanted than open rows will come to, the shortest first.

        A row that is more likely than not one too many is not begun before others have ended.
        """
        if self._wanting is None:
            filled, reaches = {}, self.rates.reaches
            for name, wanted in self.wanted.items():
                coming = self.open[name] + self.failed[name]
                expected = self.accepted[name] + (reaches * self.rates.passes(name) * coming if coming else 0)
                if expected < wanted - 0.5 and name not in self.given_up and not self._is_on_trial(name):
                    filled[name] = (expected + 0.5) / self.shares[name]
            self._wanting = sorted(filled, key=filled.__getitem__)
        return self._wanting

    def close(self, operation: str, end: RowEnd) -> None:
        """Note what became of an open row that was handed out for an operation.

        Args:
            operation: that was handed out.
            end: of the row; whoever looks at a picture first may have chosen another operation for it.
        """
        name = end.operation
        is_over = end.ending != "again"
        self.open[operation] -= is_over
        self._wanting = None
        self.edits[name] += end.edits
        self.paid[name] += end.cost or 0
        self.faults.update(end.faults)
        is_known = end.ending in ("accepted", "rejected", "unwanted")
        if end.cost is not None and end.edits_cost is not None:
            self.costs.saw(end.cost, end.edits_cost, end.edits, ended=is_known)
        if end.lost:
            self.lost[end.lost] += 1
        if end.ending == "failed":
            self.failed[name] += 1
        elif end.ending == "unwanted":
            self.unwanted += 1
            self.rates.missed()
        elif is_known:
            is_accepted = end.ending == "accepted"
            (self.accepted if is_accepted else self.rejected)[name] += 1
            self.rates.saw(name, tries=end.tries, accepted=is_accepted)
            if name not in self.given_up and self.rates.is_hopeless(name, self.quota.hopeless):
                self.given_up.append(name)

    @property
    def ended(self) -> int:
        """Rows that were accepted or rejected, or whose edit was not wanted."""
        return self.accepted.total() + self.rejected.total() + self.unwanted

    def is_surplus(self, operation: str) -> bool:
        """Whether the row of an operation that was accepted last is one more than is wanted."""
        return self.accepted[operation] > self.wanted.get(operation, 0)

    def short(self, operation: str) -> int:
        """Rows that are wanted and not accepted yet."""
        return max(0, self.wanted[operation] - self.accepted[operation])

    @property
    def missing(self) -> int:
        """All of them."""
        return sum(map(self.short, self.wanted))

    def _is_on_trial(self, operation: str) -> bool:
        """Whether as many rows are open as may be of an operation of which none was accepted yet."""
        if self.accepted[operation]:
            return False
        at_first = max(
            LEAST_ROWS, (self.quota.ahead or 0) // len(self.wanted)
        )  # whoever asks for more has a fast server
        return self.open[operation] >= max(LEAST_ON_TRIAL, at_first - self.rejected[operation])

    def _can_pay(self) -> bool:
        """Whether the money is enough for one more row, beside those that are open and may all be dear."""
        limit, costs = self.quota.max_cost, self.costs
        if limit is None:
            return True
        row, edit = costs.row.value, costs.edit.value
        count = self.open.total() + self.failed.total() + 1
        if row is None or edit is None:
            return self.ended >= ROWS_PRICED or count <= ROWS_PRICED
        mean = row + self._edits_each * edit
        spread = math.hypot(costs.row.spread, math.sqrt(self._edits_each) * costs.edit.spread, edit)
        dear = count * mean + 2 * math.sqrt(count) * spread + costs.prices.most_edit
        if self.ended < ROWS_PRICED and count > 1:
            dear *= 2  # the price table may be wrong
        return costs.paid + dear <= limit * NANO

    @property
    def _edits_each(self) -> float:
        """Edits of a row, as seen; as the tries allow before any was."""
        return (self.edits.total() + 4 * 1.4 * self.candidates) / (self.ended + 4)
