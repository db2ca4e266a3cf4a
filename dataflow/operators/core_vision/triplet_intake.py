"""Hands the rows that ended to the account of a quota, and decides which of them are written.

Accepted rows beyond the quota, and rows that say the same as an earlier one, are paid for and not wanted: they go to
the side output `surplus`, with the reason in the column of this name.
"""

from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, NANO, Row, Side
from dataflow.core.source import Ended, Settled
from dataflow.errors import Failure, RowError, UnfitAnswer
from dataflow.flow.summary import SURPLUS
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import UNJUDGED
from dataflow.quota.forecast import Outlook
from dataflow.quota.next_row import Account, Ending, RowEnd
from dataflow.quota.report import describe, note, report


class Intake:
    """Connects a source of rows with the account of a quota.

    Args:
        verdict: column of the verdict.
        account: the account of the quota; None: there is no quota, and every accepted row is written.
    """

    def __init__(self, verdict: str, account: Account | None) -> None:
        self._verdict, self.account = verdict, account
        self._outlook = None if account is None else Outlook(account)

    def hand_out(self) -> str | None:
        """Begin one more row and return its operation; None: no row may be begun now."""
        return None if self.account is None else self.account.hand_out()

    def take(
        self, target: str, ended: Ended, settled: Settled, *, operation: str = "", ending: Ending | None = None
    ) -> Settled:
        """Note in the account how a row ended, and return what is written of the row.

        Args:
            target: the operation for which the row was begun.
            ended: how the row's generator ended.
            settled: what the source would write of the row without a quota.
            operation: the operation of the row's edit, if a model chose another one than `target`; "": `target`.
            ending: the ending of the row, if `ended` and `settled` do not show it; None: they show it.
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
        """Return the forecast of all rows that will be begun, at least `begun`, the number of rows begun so far."""
        return begun if self._outlook is None else max(begun, round(self._outlook.now.rows.middle))

    @property
    def seconds(self) -> float:
        """Seconds that the remaining rows take, by the forecast; 0: not known."""
        return 0.0 if self._outlook is None else self._outlook.now.seconds

    @property
    def short(self) -> int:
        """Number of wanted rows that are not accepted yet."""
        return 0 if self.account is None else self.account.missing

    @property
    def note(self) -> str:
        """How many rows are accepted and what all will cost, in a few words; "" without a quota."""
        return "" if self._outlook is None else note(self._outlook)

    def report(self) -> Mapping[str, JSON]:
        """Return the figures of the quota for the step's meta file."""
        return {} if self._outlook is None else {"quota": report(self._outlook)}

    def describe(self) -> Sequence[str]:
        """Return the figures of the quota in words, as parts of one sentence."""
        return () if self._outlook is None else describe(self._outlook)

    def _row_end(self, operation: str, ended: Ended, ending: Ending) -> RowEnd:
        tries = [side.row[self._verdict] for side in ended.sides if side.name == TRIES]
        costs = [each["cost"] for each in tries]
        edits_cost = None if None in costs else sum(round(cost * NANO) for cost in costs)
        if edits_cost is not None and ended.cost is not None:
            # An edit that an earlier row paid for, too, is in the cost of its try but not in the cost of this row.
            edits_cost = min(edits_cost, ended.cost)
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
    """Whether the row failed because the judge's answers could not be read.

    Such a row counts as rejected: the next run reads the same answers from the journal, and asks nothing again.
    """
    return isinstance(ended.error, RowError) and bool(ended.sides)  # a row that failed before has no side outputs


def _is_refused(error: object) -> bool:
    return isinstance(error, Failure) and error.kind == "refused"


def _lost(ended: Ended) -> str:
    """Return why a row has no edit, in a word: "drawing", the fault of the writer's answer, or a kind of failure."""
    if ended.error is None or _is_unjudged(ended):
        return "drawing"
    return ended.error.fault if isinstance(ended.error, UnfitAnswer) else _kind(ended.error)


def _kind(error: object) -> str:
    return error.kind if isinstance(error, Failure) else "row"


def _fault(verdict: Row) -> str:
    """Return why an edit was not accepted: the gate that it did not pass, or its axis with the lowest number."""
    if verdict["accepted"] is None:
        return UNJUDGED
    axes = verdict.get("axes") or {}
    return str(verdict.get("gate") or min(axes, key=lambda name: axes[name], default="judge"))
