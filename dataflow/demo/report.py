"""Make the table that a pipeline prints for rows with a truth: which results were accepted, and which are right."""

from collections import Counter
from collections.abc import Iterable
from io import StringIO

from dataflow.core.columns import prompts
from dataflow.core.records import Row
from dataflow.demo.truth import Resolve, faults, truth_of
from dataflow.errors import RowError
from dataflow.judging.verdict import VERDICT

WIDTH = 80  # columns of a terminal
MOST = 40  # rows that the table shows
_JUDGED = 8  # columns, for "at try 2" and "rejected"
_VERDICT = 21  # columns, for "wrong: shape too many"


def verdicts(rows: Iterable[Row], *, conversation_key: str, output_key: str, resolve: Resolve) -> str:
    """The table and the totals, in lines of at most WIDTH columns; a Chinese character takes two columns.

    Args:
        rows: the rows of the last step. If the first has no truth, no row has one. Of a row that a judge rejected, the
            last try is checked.
        conversation_key: the column of the instructions.
        output_key: the column of the results.
        resolve: finds the file of a path in a row.

    Returns:
        The text to print; empty if the rows have no truth.
    """
    lines: list[tuple[str, str, str]] = []
    count, right = Counter[str](), Counter[str]()
    for row in rows:
        truth = truth_of(row)
        if not truth and not lines:
            return ""
        found: dict[str, list[str]] = {}
        for column, scenes in truth.items():
            names = [name for name in row.get(column, ()) if name]
            tried = names[-1:] if column == output_key and isinstance(row.get(VERDICT), list) else names
            found[column] = faults(tried, scenes, resolve)
            count[column] += max(len(scenes), len(found[column]))
            right[column] += found[column].count("")
        if len(lines) < MOST:
            words, checked = _instruction(row, conversation_key), _verdict(found.pop(output_key, []), found)
            lines.append((words, _judged(row.get(VERDICT)), checked))
    totals = [f"{column}: {right[column]} of {count[column]} right" for column in count]
    return _table(lines) + "\n".join(totals) if lines else ""


def _instruction(row: Row, key: str) -> str:
    try:
        return prompts(row.get(key), key)[-1]
    except RowError:
        return "(no instruction)"


def _judged(verdict: object) -> str:
    """The try at which a judge accepted the row, or that it rejected the row; empty where no judge was asked."""
    if isinstance(verdict, list):
        return "rejected"
    return f"at try {verdict['tries']}" if isinstance(verdict, dict) and "tries" in verdict else ""


def _verdict(results: list[str], drawn: dict[str, list[str]]) -> str:
    """Whether the results are right, in a word or two; names a wrong drawing that a wrong result was made from.

    Args:
        results: the fault of each result; empty for a right one.
        drawn: the column of each other kind of picture → the fault of each of its pictures.
    """
    if not results:
        return "failed"
    if not any(results):
        return "right"
    if len(results) > 1:
        return f"{results.count('')} of {len(results)} right"
    for wrong in drawn.values():
        for number, reason in enumerate(wrong, start=1):
            if reason:
                return f"wrong: drawing {number}"
    return f"wrong: {results[0]}"


def _table(lines: list[tuple[str, str, str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_judged = any(judged for _, judged, _ in lines)
    table = Table(box=None, pad_edge=False, width=WIDTH, show_header=True, header_style="")
    table.add_column("", justify="right", width=2)
    table.add_column("instruction", ratio=1, overflow="fold")
    if is_judged:
        table.add_column("accepted", width=_JUDGED)
    table.add_column("checked", width=_VERDICT)
    for number, (words, judged, checked) in enumerate(lines, start=1):
        table.add_row(str(number), *map(Text, (words, judged, checked) if is_judged else (words, checked)))
    written = StringIO()
    Console(file=written, width=WIDTH, color_system=None).print(table)
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())
