"""Shows a run and a cache directory in a notebook: their figures, and the first rows with small pictures.

The pictures are inside the HTML, so a saved notebook keeps them, and a notebook that is sent to somebody shows them.
"""

import os
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from html import escape
from io import BytesIO
from itertools import islice
from pathlib import Path

from dataflow.core.columns import prompts
from dataflow.core.records import Row
from dataflow.core.words import cut
from dataflow.errors import ConfigError, RowError, plain
from dataflow.io.decode import BadPicture
from dataflow.utils.figures import figures_of_meta
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.storage import Step
from dataflow.view.status import StatusReader
from dataflow.view.status_text import describe
from dataflow.view.thumbnail import thumbnail

_ROWS = 3
_PICTURES = 3  # of each cell
_PIXELS = 160
_LONGEST = 200  # columns of a text
_WIDTH = 100
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

Resolve = Callable[[str], str]


def summary_html(words: str, target: str) -> str:
    """The HTML of a run's summary, with the first rows of its step's file.

    Args:
        words: the summary as text.
        target: path of the step's file, which may be missing.
    """

    def beside(name: str) -> str:
        return name if os.path.exists(name) else str(Path(target).parent / name)  # noqa: PTH110 - as the row names it

    return _words(words) + _rows_of(Path(target), beside)


def storage_html(cache_path: str, step: Step | None) -> str:
    """The HTML of a cache directory's progress, with the first rows of the storage's last step.

    Args:
        cache_path: of the storage.
        step: the last step that the storage handed out; None: it has handed out none.
    """
    try:
        status = StatusReader(Path(cache_path).expanduser()).look()
    except ConfigError:
        return _words(f"{cache_path}: nothing was run here yet")
    html = _words("\n".join(describe(status, _WIDTH)))
    if step is None:
        return html
    done = step.target if step.target.exists() else step.source
    return html + _rows_of(done, step.path_rules().resolve)


def _words(text: str) -> str:
    return f"<pre>{escape(plain(text))}</pre>"


def _rows_of(path: Path, resolve: Resolve) -> str:
    if not path.is_file():
        return ""
    try:
        rows = _first_rows(path)
    except ConfigError as error:
        return _words(str(error))
    columns = list(dict.fromkeys(column for row in rows for column in row))
    heads = "".join(f"<th>{escape(plain(column))}</th>" for column in columns)
    lines = [f"<tr>{''.join(_cells(row, columns, resolve))}</tr>" for row in rows]
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>{_words(f'the first rows of {path}')}" if rows else ""


def _first_rows(path: Path) -> list[Row]:
    """The first rows of a step's file; a row that failed in the step has the reason in place of its result.

    Raises:
        ConfigError: the step's file or its errors file is broken.
    """
    rows = [row for _, row in islice(read_rows(path), _ROWS)]
    output = figures_of_meta(path.with_suffix(".meta.json")).get("output", "")
    if failed := [row for row in rows if output and row.get(output) == []]:
        errors = path.with_suffix(".errors.jsonl")
        reasons = [line["reason"] for _, line in islice(read_rows(errors), len(failed))] if errors.is_file() else []
        for row, reason in zip(failed, reasons, strict=False):  # both files have the order of the step's rows
            row[output] = f"failed ({reason})"
    return rows


def _cells(row: Row, columns: Iterable[str], resolve: Resolve) -> Iterable[str]:
    for column in columns:
        value = row.get(column)
        names = value if isinstance(value, list) else [value]
        if value and all(isinstance(name, str) and name.lower().endswith(_SUFFIXES) for name in names):
            yield f"<td>{''.join(_picture(str(name), resolve) for name in names[:_PICTURES])}</td>"
        else:
            yield f"<td>{escape(plain(cut(_text(value, column), _LONGEST)))}</td>"


def _text(value: object, column: str) -> str:
    """A value as text; of a list of messages, the words of the user."""
    if value and isinstance(value, list) and all(isinstance(item, dict) for item in value):
        with suppress(RowError):  # the dicts are no messages
            return " ".join(prompts(value, column))
    return "" if value is None else str(value)


def _picture(name: str, resolve: Resolve) -> str:
    """The HTML of a picture of at most 160 x 160 pixels; the name of a picture that cannot be shown."""
    try:
        small = thumbnail(Path(resolve(name)), (_PIXELS, _PIXELS))
    except (BadPicture, RowError):
        return escape(plain(name))
    data = BytesIO()
    small.save(data, "JPEG", quality=80)
    return f'<img src="data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}" title="{escape(plain(name))}">'
