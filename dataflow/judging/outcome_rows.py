"""Makes rows of outcomes: the accepted or rejected row, one row for each try, and pairs of accepted and rejected."""

from collections.abc import Sequence

from dataflow.core.records import NANO, Row, Side
from dataflow.errors import RowError
from dataflow.judging.tries import PAIRS, TRIES, Outcome, Try
from dataflow.judging.verdict import REJECTED, UNJUDGED

_UNJUDGED = f"{UNJUDGED}: the judge's answer could not be read, or it refused; `tries` has the picture"


def rows_of(outcome: Outcome, row: Row, *, edited: str, verdict: str, margin: float) -> Sequence[Row | Side | RowError]:
    """Return the rows and side outputs of one edited row.

    Args:
        outcome: the outcome of the row.
        row: the row as it came in.
        edited: column that gets the paths of the edits.
        verdict: column that gets the verdict.
        margin: number of points, 0 to 10, by which the accepted edit of a pair must lead on an axis.
    """
    tries, winner = outcome.tries, outcome.winner

    def row_with(edits: Sequence[Try], value: object) -> Row:
        return {**row, edited: [each.path for each in edits if each.path], verdict: value}

    rows: list[Row | Side | RowError] = [Side(TRIES, row_with([each], _verdict_of(each))) for each in tries]
    if winner is not None:
        whole_row = {"tries": 1 + winner.number, "cost": _in_currency(outcome.cost)}
        rows.append(row_with([winner], {**winner.verdict.as_row(), **whole_row}))
        for loser in tries:
            if (lead := _lead(winner, loser, margin)) is not None:
                verdicts = [_verdict_of(winner), _verdict_of(loser)]
                rows.append(Side(PAIRS, row_with([winner, loser], {**lead, "verdicts": verdicts})))
    elif outcome.is_unjudged:
        rows.append(RowError(_UNJUDGED))
    else:
        rows.append(Side(REJECTED, row_with(tries, [_verdict_of(each) for each in tries])))
    return rows


def rows_of_drawings(
    outcomes: Sequence[Outcome], row: Row, *, images: str, verdict: str
) -> Sequence[Row | Side | RowError]:
    """Return the rows and side outputs of one row whose pictures were drawn: the row itself if all were accepted.

    Args:
        outcomes: one outcome for each picture of the row.
        row: the row as it came in.
        images: column that gets the paths of the pictures.
        verdict: column that gets the verdict, or the list of verdicts if the row has several pictures.
    """
    tries = [each for outcome in outcomes for each in outcome.tries]

    def row_with(drawings: Sequence[Try], value: object) -> Row:
        return {**row, images: [each.path for each in drawings if each.path], verdict: value}

    rows: list[Row | Side | RowError] = [Side(TRIES, row_with([each], _verdict_of(each))) for each in tries]
    good = [(outcome.winner, outcome.cost) for outcome in outcomes if outcome.winner is not None]
    if len(good) == len(outcomes):
        verdicts = [
            {**each.verdict.as_row(), "tries": 1 + each.number, "cost": _in_currency(cost)} for each, cost in good
        ]
        rows.append(row_with([each for each, _ in good], verdicts[0] if len(verdicts) == 1 else verdicts))
    elif all(outcome.winner is not None or outcome.is_unjudged for outcome in outcomes):
        rows.append(RowError(_UNJUDGED))
    else:
        rows.append(Side(REJECTED, row_with(tries, [_verdict_of(each) for each in tries])))
    return rows


def _verdict_of(each: Try) -> Row:
    """Return the verdict of one try, with its prompt, number and cost."""
    asked = {"prompt": each.prompt, "try": each.number, "candidate": each.candidate, "cost": _in_currency(each.cost)}
    return {**each.verdict.as_row(), **asked}


def _lead(winner: Try, loser: Try, margin: float) -> Row | None:
    """Return the axis on which the winner leads most, and by how many points.

    None: the lead is below the margin, or the judge did not reject the loser by its numbers.
    """
    if loser.verdict.accepted is not False or loser.verdict.gate:
        return None
    better, worse = winner.verdict.axes, loser.verdict.axes
    ahead = {name: better[name] - number for name, number in worse.items() if name in better}
    axis = max(ahead, key=lambda name: ahead[name], default="")
    return {"axis": axis, "margin": round(ahead[axis], 3)} if axis and ahead[axis] >= margin else None


def _in_currency(billionths: int | None) -> float | None:
    return None if billionths is None else billionths / NANO
