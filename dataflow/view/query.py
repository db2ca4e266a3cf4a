"""Which rows are shown, and in what order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflow.view.row_index import Columns, RowIndex

ORDERS = ("file", "worst", "best", "costly", "still")
"""As the run wrote them; lowest or highest score first; what cost most; what changed least."""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for; empty fields let everything through.

    Args:
        side: name of a side output; "": what became of rows.
        outcome: any of these, as `facts.OUTCOMES`; so with the next three.
        operation: names.
        language: names.
        fault: gates, axes and reasons, as `Facts.fault` has them.
        least: lowest score.
        most: highest score; rows without a score are in no range.
        text: words that must all be there.
        order: one of ORDERS.
    """

    side: str = ""
    outcome: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    fault: tuple[str, ...] = ()
    least: float = 0.0
    most: float = 10.0
    text: str = ""
    order: str = "file"


def select(index: RowIndex, columns: Columns, query: Query) -> NDArray[np.bool_]:
    """Which rows of one file are meant.

    Args:
        index: of the file.
        columns: of the index; rows that it has got since are left out.
        query: all but its order.
    """
    found = np.ones(len(columns.tries), np.bool_)
    for name in ("outcome", "operation", "language", "fault"):
        wanted: tuple[str, ...] = getattr(query, name)
        if wanted:
            codes = [code for code, each in enumerate(columns.names[name]) if each in wanted]
            found &= np.isin(columns.codes[name], codes)
    if query.least > 0 or query.most < 10:
        score = columns.numbers["score"]
        with np.errstate(invalid="ignore"):
            found &= (score >= query.least) & (score <= query.most)
    if words := query.text.split():
        found &= index.having(words)[: len(found)]
    return found


def sort(order: str, parts: Sequence[Columns]) -> NDArray[np.intp] | None:
    """The places of rows of several files in an order; None: as they are. What has no figure goes last."""
    name, sign = {"worst": ("score", 1), "best": ("score", -1), "costly": ("cost", -1), "still": ("changed", 1)}.get(
        order, ("", 1)
    )
    if not name or not parts:
        return None
    first, second = (np.concatenate([part.numbers[each] for part in parts]) for each in (name, "lowest"))
    return np.lexsort((sign * second, sign * first))  # NaN is sorted last, whatever its sign
