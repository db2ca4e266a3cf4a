"""What a quota takes of the rows that end, and what it then hands out.

What is accepted beyond the quota, and what says the same as an earlier row, is paid: it goes to the side output
`surplus`, with the reason in the field of that name.
"""

from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, NANO, Row, Side
from dataflow.core.source import Ended, Settled
from dataflow.errors import Failure, RowError, UnfitAnswer
from dataflow.flow.summary import SURPLUS
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import UNJUDGED
from dataflow.quota.account import Account, Ending, RowEnd
from dataflow.quota.forecast import Outlook
from dataflow.quota.report import describe, note, report


class Intake:
    """Has an account decide.

    Args:
        verdict: column of the verdict.
        account: of the quota; None: there is none, and every accepted row is taken.
    """

    def __init__(self, verdict: str, account: Account | None) -> None:
        self._verdict, self.account = verdict, account
        self._outlook = None if account is None else Outlook(account)

    def hand_out(self) -> str | None:
        """The operation of one more row; None: no row may be begun now."""
        return None if self.account is None else self.account.hand_out()

    def take(
        self, target: str, ended: Ended, settled: Settled, *, operation: str = "", ending: Ending | None = None
    ) -> Settled:
        """What is written of a row.

        Args:
            target: the operation that it was handed out for.
            ended: what its generator came to.
            settled: what a source would make of it without a quota.
            operation: of its edit, where that is another one.
            ending: what became of it, where that does not show in these.
        """
        operation, sides = operation or target, [*ended.sides]
        if self.account is not None:
            self.account.close(target, self._row_end(operation, ended, ending or _ending(ended, settled)))
            if settled.rows and self.account.is_surplus(operation):
                return Settled(sides=[*sides, *_surplus(ended, f"more `{operation}` than are wanted")])
        if not settled.rows:
            sides += _surplus(ended, "says what another row says")
        return Settled(settled.rows, sides, settled.error)

    def expected(self, begun: int) -> int:
        """Rows that there will be in the end, of which so many are begun."""
        return begun if self._outlook is None else max(begun, round(self._outlook.now.rows.middle))

    @property
    def seconds(self) -> float:
        """How long the rest takes, as far as that is known."""
        return 0.0 if self._outlook is None else self._outlook.now.seconds

    @property
    def short(self) -> int:
        """Accepted rows that are wanted and not there."""
        return 0 if self.account is None else self.account.missing

    @property
    def note(self) -> str:
        """How far the quota is, in some words."""
        return "" if self._outlook is None else note(self._outlook)

    def report(self) -> Mapping[str, JSON]:
        """What the quota came to, for the step's meta."""
        return {} if self._outlook is None else {"quota": report(self._outlook)}

    def describe(self) -> Sequence[str]:
        """The same for people."""
        return () if self._outlook is None else describe(self._outlook)

    def _row_end(self, operation: str, ended: Ended, ending: Ending) -> RowEnd:
        tries = [side.row[self._verdict] for side in ended.sides if side.name == TRIES]
        costs = [each["cost"] for each in tries]
        edits_cost = None if None in costs else sum(round(cost * NANO) for cost in costs)
        if edits_cost is not None and ended.cost is not None:
            edits_cost = min(edits_cost, ended.cost)  # an earlier row may have paid for the same edit
        return RowEnd(
            operation,
            ending,
            tries=1 + max((each["try"] for each in tries), default=-1),
            edits=len(tries),
            edits_cost=edits_cost,
            cost=ended.cost,
            faults=tuple(_fault(each) for each in tries if not each["accepted"]),
            lost="" if tries else "not wanted" if ending == "unwanted" else _lost(ended),
        )


def _surplus(ended: Ended, reason: str) -> list[Side]:
    return [Side(SURPLUS, {**row, SURPLUS: reason}) for row in ended.rows]


def _ending(ended: Ended, settled: Settled) -> Ending:
    if settled.rows:
        return "accepted"
    if settled.error is None:
        return "again" if ended.rows or ended.error is not None else "rejected"
    is_for_good = isinstance(settled.error, UnfitAnswer) or _is_refused(settled.error) or _is_unjudged(ended)
    return "rejected" if is_for_good else "failed"


def _is_unjudged(ended: Ended) -> bool:
    """Whether the judge answered without a verdict: the next run has the same answers, and asks nothing again."""
    return isinstance(ended.error, RowError) and bool(ended.sides)  # what failed before it was judged leaves no sides


def _is_refused(error: object) -> bool:
    return isinstance(error, Failure) and error.kind == "refused"


def _lost(ended: Ended) -> str:
    """Why a row has no edit."""
    if ended.error is None or _is_unjudged(ended):
        return "drawing"
    return ended.error.fault if isinstance(ended.error, UnfitAnswer) else _kind(ended.error)


def _kind(error: object) -> str:
    return error.kind if isinstance(error, Failure) else "row"


def _fault(verdict: Row) -> str:
    """The gate at which an edit fell, or the axis that the judge saw worst."""
    if verdict["accepted"] is None:
        return UNJUDGED
    axes = verdict.get("axes") or {}
    return str(verdict.get("gate") or min(axes, key=lambda name: axes[name], default="judge"))
