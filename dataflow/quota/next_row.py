"""Decides which operation the next row is of, or that no row may be begun, by how the rows before it ended.

The decision depends on nothing but the endings of rows, in their order, and on the costs of ended rows in the journal;
it reads no clock. So a resumed run decides the same. A failed row, which the next run asks again, holds its place, so
that a dead server does not begin rows without end.
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
"""Greatest number of open rows of an operation of which LEAST_ROWS rows ended and none was accepted: a few more rows
decide whether the operation is given up."""

ROWS_PRICED = 4
"""Number of ended rows that show what rows cost. Before so many have ended, a run with a limit opens no more rows than
this if no price is known, and otherwise as many rows as the limit pays for at twice the price."""

Ending = Literal["accepted", "rejected", "unwanted", "failed", "unfit", "again"]


@dataclass(frozen=True, slots=True)
class RowEnd:
    """How a row ended.

    Args:
        operation: the operation of the row's edit.
        ending: "accepted"; "rejected": for good; "unwanted": no more rows of its operation are wanted; "failed": the
            next run asks again; "unfit": the row that came in cannot be edited, which says nothing of the operation;
            "again": this run asks for the row again.
        tries: number of tries of the row.
        edits: number of edits of the row.
        edits_cost: cost of the edits and their verdicts, in billionths of the currency; None: not known.
        cost: cost of all requests of the row, in billionths of the currency; None: not known.
        faults: why edits were not accepted: for each, the gate that it did not pass or its axis with the lowest number.
        lost: why the row has no edit; "": it has one.
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
    """The counts and costs of a quota's rows, by operation.

    Args:
        quota: the wanted rows.
        shares: operation → its share of the accepted rows; the shares add up to 1.
        priors: operation → the assumed share of its first edits that is accepted.
        tries: greatest number of tries of a row.
        candidates: edits in each try.
        prices: the assumed costs of rows and edits; None: not known.

    Attributes:
        wanted: operation → its number of wanted rows.
        open: operation → number of rows that have begun and not ended.
        accepted, rejected, failed: operation → number of rows with this ending.
        unwanted: number of rows whose operation was filled when they ended.
        edits: operation → number of edits.
        paid: operation → costs of its rows, in billionths of the currency.
        faults: why edits were not accepted → how many.
        lost: why rows have no edit → how many.
        given_up: operations that were given up, since too few of their rows are accepted.
        is_out_of_money: `max_cost` does not pay for another row.
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
        self._wanting: list[str] | None = None  # result of `wanting`, kept until a row begins or ends

    def hand_out(self) -> str | None:
        """Begin one more row and return its operation; None: no row may begin before another one has ended."""
        for operation in self.may_begin():
            self.begin(operation)
            return operation
        return None

    def may_begin(self) -> list[str]:
        """Return the operations of which one more row may begin, the most needed first.

        The list is empty if no row may begin before another one has ended, or none ever.
        """
        if self.is_out_of_money or self.open.total() >= self.quota.open_at_most:
            return []
        wanting = self.wanting()
        if wanting and not self._can_pay():
            self.is_out_of_money = not self.open.total()  # open rows may cost less than assumed, and leave money
            return []
        return wanting

    @property
    def is_held(self) -> bool:
        """Whether more rows are wanted, and only the greatest number of open rows keeps one from beginning."""
        return self.open.total() >= self.quota.open_at_most and not self.is_out_of_money and bool(self.wanting())

    def begin(self, operation: str) -> None:
        """Count a row of an operation as open."""
        self.open[operation] += 1
        self._wanting = None

    def is_filled(self, operation: str) -> bool:
        """Whether enough rows of an operation are accepted, or the operation is given up; open rows do not count."""
        return self.accepted[operation] >= self.wanted.get(operation, 0) or operation in self.given_up

    def wanting(self) -> list[str]:
        """Return the operations whose expected accepted rows are fewer than wanted, the most needed first.

        The expected number is the accepted rows and the open and failed ones at the pass rate of the operation. If it
        is less than half a row short, a further row is more likely one too many than not, and does not begin before
        other rows have ended.
        """
        if self._wanting is None:
            # Webster's method, as in `taxonomy.mix`: the lowest (expected + 1/2) / share is the most needed.
            need, reaches = {}, self.rates.reaches
            for name, wanted in self.wanted.items():
                coming = self.open[name] + self.failed[name]
                expected = self.accepted[name] + (reaches * self.rates.passes(name) * coming if coming else 0)
                if expected < wanted - 0.5 and name not in self.given_up and not self._is_on_trial(name):
                    need[name] = (expected + 0.5) / self.shares[name]
            self._wanting = sorted(need, key=need.__getitem__)
        return self._wanting

    def close(self, operation: str, end: RowEnd) -> None:
        """Count the end of an open row.

        Args:
            operation: the operation for which the row began.
            end: how the row ended; a model that sees a photograph may have chosen another operation for its edit.
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
            self.costs.add(end.cost, end.edits_cost, end.edits, ended=is_known)
        if end.lost:
            self.lost[end.lost] += 1
        if end.ending == "failed":
            self.failed[name] += 1
        elif end.ending == "unwanted":
            self.unwanted += 1
            self.rates.add_without_edit()
        elif is_known:
            is_accepted = end.ending == "accepted"
            (self.accepted if is_accepted else self.rejected)[name] += 1
            self.rates.add(name, tries=end.tries, accepted=is_accepted)
            if name not in self.given_up and self.rates.is_hopeless(name, self.quota.hopeless):
                self.given_up.append(name)

    @property
    def ended(self) -> int:
        """Number of rows that were accepted, rejected or unwanted."""
        return self.accepted.total() + self.rejected.total() + self.unwanted

    def is_surplus(self, operation: str) -> bool:
        """Whether the last accepted row of an operation is one more than wanted."""
        return self.accepted[operation] > self.wanted.get(operation, 0)

    def short(self, operation: str) -> int:
        """Return the number of wanted rows of an operation that are not accepted yet."""
        return max(0, self.wanted[operation] - self.accepted[operation])

    @property
    def missing(self) -> int:
        """Number of wanted rows of all operations that are not accepted yet."""
        return sum(map(self.short, self.wanted))

    def _is_on_trial(self, operation: str) -> bool:
        """Whether an operation without an accepted row has as many open rows as it may have.

        At first these are enough rows to give the operation up, and fewer with each rejected row, so that a hopeless
        operation does not cost a whole queue of rows.
        """
        if self.accepted[operation]:
            return False
        # A user who raises `ahead` has a fast server, whose places should not stay empty.
        first_rows = max(LEAST_ROWS, (self.quota.ahead or 0) // len(self.wanted))
        return self.open[operation] >= max(LEAST_ON_TRIAL, first_rows - self.rejected[operation])

    def _can_pay(self) -> bool:
        """Whether `max_cost` pays for all open rows and one more, if their costs are two standard deviations high."""
        limit, costs = self.quota.max_cost, self.costs
        if limit is None:
            return True
        row, edit = costs.row.value, costs.edit.value
        count = self.open.total() + self.failed.total() + 1  # failed rows are asked for again, and paid for then
        if row is None or edit is None:
            return self.ended >= ROWS_PRICED or count <= ROWS_PRICED
        mean = row + self._edits_each * edit
        spread = math.hypot(costs.row.spread, math.sqrt(self._edits_each) * costs.edit.spread, edit)
        # Room for one request at its highest cost stays free: the ledger reserves it, or no edit could start.
        dear = count * mean + 2 * math.sqrt(count) * spread + costs.prices.most_edit
        if self.ended < ROWS_PRICED and count > 1:
            dear *= 2  # the price table may be wrong
        return costs.paid + dear <= limit * NANO

    @property
    def _edits_each(self) -> float:
        """Mean number of edits of a row; an assumption of 1.4 tries has the weight of four rows."""
        return (self.edits.total() + 4 * 1.4 * self.candidates) / (self.ended + 4)
