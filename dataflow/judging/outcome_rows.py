"""The rows that outcomes come to: the accepted or the rejected one, every try, and pairs of better and worse."""

from collections.abc import Sequence

from dataflow.core.records import NANO, Row, Side
from dataflow.errors import RowError
from dataflow.judging.tries import PAIRS, TRIES, Outcome, Try
from dataflow.judging.verdict import REJECTED, UNJUDGED

_UNJUDGED = f"{UNJUDGED}: the judge's answer could not be read, or it refused; `tries` has the picture"


def rows_of(outcome: Outcome, row: Row, *, edited: str, verdict: str, margin: float) -> Sequence[Row | Side | RowError]:
    """What an operator returns for a row.

    Args:
        outcome: of the row.
        row: as it came in.
        edited: column that gets the pictures.
        verdict: column that gets the verdict.
        margin: by how much an axis of a pair's better edit must be ahead.
    """
    tries, winner = outcome.tries, outcome.winner

    def shown(edits: Sequence[Try], said: object) -> Row:
        return {**row, edited: [each.path for each in edits if each.path], verdict: said}

    rows: list[Row | Side | RowError] = [Side(TRIES, shown([each], _told(each))) for each in tries]
    if winner is not None:
        made = {"tries": 1 + winner.number, "cost": _money(outcome.cost)}
        rows.append(shown([winner], {**winner.verdict.as_row(), **made}))
        for loser in tries:
            if (apart := _apart(winner, loser, margin)) is not None:
                rows.append(Side(PAIRS, shown([winner, loser], {**apart, "verdicts": [_told(winner), _told(loser)]})))
    elif outcome.is_unjudged:
        rows.append(RowError(_UNJUDGED))
    else:
        rows.append(Side(REJECTED, shown(tries, [_told(each) for each in tries])))
    return rows


def rows_of_drawings(
    outcomes: Sequence[Outcome], row: Row, *, images: str, verdict: str
) -> Sequence[Row | Side | RowError]:
    """What an operator returns for a row whose pictures were drawn: the row, if all of them are good.

    Args:
        outcomes: one for each picture.
        row: as it came in.
        images: column that gets the pictures.
        verdict: column that gets the verdict, or several in a list.
    """
    tries = [each for outcome in outcomes for each in outcome.tries]

    def shown(drawings: Sequence[Try], said: object) -> Row:
        return {**row, images: [each.path for each in drawings if each.path], verdict: said}

    rows: list[Row | Side | RowError] = [Side(TRIES, shown([each], _told(each))) for each in tries]
    good = [(outcome.winner, outcome.cost) for outcome in outcomes if outcome.winner is not None]
    if len(good) == len(outcomes):
        said = [{**each.verdict.as_row(), "tries": 1 + each.number, "cost": _money(cost)} for each, cost in good]
        rows.append(shown([each for each, _ in good], said[0] if len(said) == 1 else said))
    elif all(outcome.winner is not None or outcome.is_unjudged for outcome in outcomes):
        rows.append(RowError(_UNJUDGED))
    else:
        rows.append(Side(REJECTED, shown(tries, [_told(each) for each in tries])))
    return rows


def _told(each: Try) -> Row:
    """The verdict of one try, with what was asked."""
    asked = {"prompt": each.prompt, "try": each.number, "candidate": each.candidate, "cost": _money(each.cost)}
    return {**each.verdict.as_row(), **asked}


def _apart(winner: Try, loser: Try, margin: float) -> Row | None:
    """The axis on which the winner is furthest ahead; None: not by enough, or the loser was not judged to be worse."""
    if loser.verdict.accepted is not False or loser.verdict.gate:
        return None
    better, worse = winner.verdict.axes, loser.verdict.axes
    ahead = {name: better[name] - number for name, number in worse.items() if name in better}
    axis = max(ahead, key=lambda name: ahead[name], default="")
    return {"axis": axis, "margin": round(ahead[axis], 3)} if axis and ahead[axis] >= margin else None


def _money(cost: int | None) -> float | None:
    """In the currency."""
    return None if cost is None else cost / NANO
