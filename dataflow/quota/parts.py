"""The parts of a row's way: who is asked how often for a row and for an edit, at what price, how many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One worker's.

    Args:
        name: what it does: "write", "draw", "check", "edit" or "judge".
        row: requests of a row before its edits.
        edit: requests of an edit.
        each: what a request is believed to cost, in billionths of the currency; None: not known.
        places: requests that its server takes at once.
        seconds: that a request is believed to take.
    """

    name: str
    row: float
    edit: float
    each: float | None
    places: int
    seconds: float

    def requests(self, rows: float, edits: float) -> float:
        """Of so many rows and edits."""
        return self.row * rows + self.edit * edits


def row_price(parts: Sequence[Part]) -> float | None:
    """What is believed of all requests of a row before its edits, in billionths; None: not known."""
    prices = [None if part.each is None else part.row * part.each for part in parts if part.row]
    return None if None in prices else sum(price or 0.0 for price in prices)


def edit_price(parts: Sequence[Part]) -> float | None:
    """What is believed of all requests of an edit, in billionths; None: not known."""
    prices = [None if part.each is None else part.edit * part.each for part in parts if part.edit]
    return None if None in prices else sum(price or 0.0 for price in prices)


def split(parts: Sequence[Part], rows: float, edits: float) -> Mapping[str, float]:
    """What rows and edits came to before and with their edits, shared out among parts as the prices say.

    Args:
        parts: of a row's way.
        rows: what all of them cost before their edits.
        edits: what all edits cost, with what is asked about them.
    """
    of_row, of_edit = row_price(parts) or 0.0, edit_price(parts) or 0.0
    shared = {
        part.name: (rows * part.row * (part.each or 0.0) / of_row if of_row else 0.0)
        + (edits * part.edit * (part.each or 0.0) / of_edit if of_edit else 0.0)
        for part in parts
    }
    return {name: cost for name, cost in shared.items() if cost}


def duration_of(parts: Sequence[Part], rows: float, edits: float, open_at_most: int) -> float:
    """Seconds that rows and their edits take: by the busiest server or by the rows that may be open, and one row's way.

    Args:
        parts: of a row's way.
        rows: that are yet to be begun.
        edits: that are yet to be made.
        open_at_most: rows.
    """
    works = [(part, part.requests(rows, edits) * part.seconds) for part in parts]
    if rows <= 0 or not any(work for _, work in works):
        return 0.0
    one = sum(work for _, work in works) / rows
    return max(one * rows / open_at_most, *(work / part.places for part, work in works)) + one
