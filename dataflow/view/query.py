"""Selects and sorts the rows that the page shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflow.view.row_index import Columns, RowIndex

ORDERS = ("file", "worst", "best", "costly", "still")
"""In the order of the files; lowest score first; highest score first; highest cost first; smallest change first."""


@dataclass(frozen=True, slots=True)
class Query:
    """The rows that somebody looks for; an empty field lets every row through.

    Args:
        side: name of a side output; "": the files that hold outcomes of rows.
        outcome: a row has one of these outcomes, see `facts.OUTCOMES`.
        operation: a row has one of these operations.
        language: a row has one of these languages.
        fault: a row has one of these faults, see `Facts.fault`.
        least: lowest score, 0 to 10.
        most: highest score, 0 to 10; a row without a score is in no range but the whole.
        text: words that a row must all have.
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
    """Whether a query finds each row of one file.

    Args:
        index: of the file.
        columns: taken from the index before; rows that the index got since then are left out.
        query: its `side` and `order` are ignored.
    """
    found = np.ones(len(columns.tries), np.bool_)
    for name in ("outcome", "operation", "language", "fault"):
        wanted: tuple[str, ...] = getattr(query, name)
        if wanted:
            codes = [code for code, value in enumerate(columns.names[name]) if value in wanted]
            found &= np.isin(columns.codes[name], codes)
    if query.least > 0 or query.most < 10:
        score = columns.numbers["score"]
        with np.errstate(invalid="ignore"):
            found &= (score >= query.least) & (score <= query.most)
    if words := query.text.split():
        found &= index.rows_with(words)[: len(found)]
    return found


def sort(order: str, parts: Sequence[Columns]) -> NDArray[np.intp] | None:
    """The indices that sort the rows of several files; None: they are in order. Rows without the figure come last.

    Args:
        order: one of ORDERS.
        parts: columns of each file.
    """
    name, sign = {"worst": ("score", 1), "best": ("score", -1), "costly": ("cost", -1), "still": ("changed", 1)}.get(
        order, ("", 1)
    )
    if not name or not parts:
        return None
    first, second = (np.concatenate([part.numbers[key] for part in parts]) for key in (name, "lowest"))
    return np.lexsort((sign * second, sign * first))  # NaN is sorted last, whatever its sign
