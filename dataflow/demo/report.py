"""The table a pipeline prints when its rows say what has to come out: accepted or not, right or wrong."""

from collections import Counter
from collections.abc import Iterable
from io import StringIO

from dataflow.core.columns import prompts
from dataflow.core.records import Row
from dataflow.demo.truth import Resolve, faults, truth_of
from dataflow.errors import RowError
from dataflow.judging.verdict import VERDICT

WIDTH = 80
MOST = 40
_JUDGED = 8  # "at try 2", "rejected"
_VERDICT = 21  # "wrong: shape too many"


def verdicts(rows: Iterable[Row], *, conversation_key: str, output_key: str, resolve: Resolve) -> str:
    """The table and the totals, in lines of at most WIDTH columns; Chinese characters take two.

    Args:
        rows: of the last step; the first says whether there is any truth to compare with. Of a row that was rejected
            the last try is looked at.
        conversation_key: column of the instructions.
        output_key: column of the results.
        resolve: finds the file that a path in a row means.

    Returns:
        "" where the rows tell no truth.
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
    """At which try a judge accepted; empty where none was asked."""
    if isinstance(verdict, list):
        return "rejected"
    return f"at try {verdict['tries']}" if isinstance(verdict, dict) and "tries" in verdict else ""


def _verdict(results: list[str], drawn: dict[str, list[str]]) -> str:
    """In a word or two, and where the result is wrong and a picture it was made from is too, that one."""
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
