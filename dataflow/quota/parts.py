"""The parts of one row's work, one for each worker: requests, their price, and how many a server takes at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one worker.

    Args:
        name: what the worker does: "write", "draw", "check", "edit" or "judge".
        row: usual number of requests of one row before its edits.
        edit: usual number of requests of one edit.
        each: usual cost of one request, in billionths of the currency; None: not known.
        places: number of requests that the server takes at once.
        seconds: assumed time of one request.
    """

    name: str
    row: float
    edit: float
    each: float | None
    places: int
    seconds: float

    def requests(self, rows: float, edits: float) -> float:
        """Return the number of requests for these rows and edits."""
        return self.row * rows + self.edit * edits


def row_price(parts: Sequence[Part]) -> float | None:
    """Return the usual cost of one row before its edits, in billionths of the currency; None: not known."""
    prices = [None if part.each is None else part.row * part.each for part in parts if part.row]
    return None if None in prices else sum(price or 0.0 for price in prices)


def edit_price(parts: Sequence[Part]) -> float | None:
    """Return the usual cost of one edit and its verdict, in billionths of the currency; None: not known."""
    prices = [None if part.each is None else part.edit * part.each for part in parts if part.edit]
    return None if None in prices else sum(price or 0.0 for price in prices)


def split(parts: Sequence[Part], rows: float, edits: float) -> Mapping[str, float]:
    """Divide the costs of rows and edits among the parts, by the prices of their requests.

    Args:
        parts: the parts of one row's work.
        rows: cost of all rows before their edits, in any unit.
        edits: cost of all edits and their verdicts, in the same unit.

    Returns:
        Name of a part → its cost, without parts that cost nothing.
    """
    of_row, of_edit = row_price(parts) or 0.0, edit_price(parts) or 0.0
    shared = {
        part.name: (rows * part.row * (part.each or 0.0) / of_row if of_row else 0.0)
        + (edits * part.edit * (part.each or 0.0) / of_edit if of_edit else 0.0)
        for part in parts
    }
    return {name: cost for name, cost in shared.items() if cost}


def duration_of(parts: Sequence[Part], rows: float, edits: float, open_at_most: int) -> float:
    """Return the seconds that rows and their edits take.

    The busiest server or the greatest number of open rows sets the pace; the time of one row is added for the end.

    Args:
        parts: the parts of one row's work.
        rows: number of rows that have not begun.
        edits: number of edits that are not made.
        open_at_most: greatest number of open rows.
    """
    works = [(part, part.requests(rows, edits) * part.seconds) for part in parts]
    if rows <= 0 or not any(work for _, work in works):
        return 0.0
    one = sum(work for _, work in works) / rows
    return max(one * rows / open_at_most, *(work / part.places for part, work in works)) + one
