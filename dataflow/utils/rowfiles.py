"""Reads and writes files of rows: jsonl is streamed; json, csv and parquet are converted from and to the same rows.

Over 300 lines with its docstrings: a reader and a writer for each of four types, whose errors name a line alike.
"""

import codecs
import csv
import json
import os
import re
import shlex
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from dataflow.core.records import Row
from dataflow.core.words import count_of
from dataflow.errors import ConfigError, InputError
from dataflow.utils.files import rename_durably, temporary_beside
from dataflow.utils.row_json import dump_row, dump_value, load_row, not_utf8, parse

CACHE_TYPES = ("jsonl", "json", "csv", "parquet")
_BOM = codecs.BOM_UTF8
_MARKS = {  # the longer ones first: each of UTF-16 begins one of UTF-32
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_IMPORTED = re.compile(r"(hf:|[a-z][a-z0-9+.-]+://).+|.+\.(tar|tar\.gz|tgz|tsv)", re.IGNORECASE)
_END = "\ufdd0the end"  # appended to a csv: it is read as a row of its own unless a quote is still open there
_JSON_CELL = re.compile(r"^\s*[\[{]")


def _check_utf8(path: Path) -> None:
    """Raise the error that names the line which is not UTF-8, after a reader of the whole file failed on it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise not_utf8(path, number, error) from None


def _hint_of_another_form(path: Path) -> str:
    """For the error about a missing file: the file whose name looks the same in print, if there is one."""
    composed = unicodedata.normalize("NFC", path.name)
    beside = [] if composed.isascii() or not path.parent.is_dir() else os.listdir(path.parent)  # noqa: PTH208
    same = [name for name in beside if unicodedata.normalize("NFC", name) == composed]
    return f"; a file of the same letters in another Unicode form is there, {same[0]!a}: rename it" if same else ""


def check_wide(path: Path) -> None:
    """Refuse a file with two or four bytes per character, as PowerShell writes them.

    Raises:
        InputError: the file is in UTF-16 or UTF-32.
    """
    with path.open("rb") as file:
        head = file.read(4)
    wide = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
    if not wide and b"\0" in head[:2]:
        wide = "utf-16be" if head.startswith(b"\0") else "utf-16le"
    if wide:
        raise InputError(f"{path} is in {wide.upper()}, not UTF-8: convert it, with `iconv -f {wide} -t utf-8`")


def check_is_rows(text: str) -> None:
    """Refuse a source that must be imported before it can be read: a folder, an archive, an address.

    Args:
        text: the source as the user gave it.

    Raises:
        InputError: it is such a source; the message names the command that imports it.
    """
    if _IMPORTED.fullmatch(text) or Path(text).expanduser().is_dir():
        out = f"{Path(text.rstrip('/')).name.partition('.')[0].rpartition(':')[2] or 'rows'}.jsonl"
        command = f"dataflowmm import {shlex.quote(text)} --out {out}"
        raise InputError(f"{text} is no file of rows: make one with `{command}`, and read {out}")


Raw = bytes | Row  # a row as its file holds it: the line of a jsonl, the dict of every other type


class RowCursor:
    """Reads a file of rows in order; rows that are skipped are not parsed.

    Attributes:
        position: index, from 0, of the row that `take` returns next.
        grows: whether the file may get more rows; never.
        names: columns of rows that were read and belong to other shards.
        whole: how many rows were read, those of other shards included; 0 outside of a shard.
    """

    grows = False

    def __init__(self, path: Path, limit: int | None = None) -> None:
        """Open a file of rows.

        Args:
            path: of the file; its suffix names the type.
            limit: how many rows are read; None: all.

        Raises:
            InputError: the file is missing, of an unknown type, or in UTF-16 or UTF-32.
        """
        if not path.is_file():
            raise InputError(f"no input file at {path} (looked from {Path.cwd()}){_hint_of_another_form(path)}")
        reader = _READERS.get(path.suffix.lower().lstrip("."))
        if reader is None:
            raise InputError(f"{path}: unknown kind of file; give one of {', '.join('.' + t for t in CACHE_TYPES)}")
        check_wide(path)
        self.path = path
        self.position = self.whole = 0
        self.names: set[str] = set()
        self._raw: Iterator[tuple[int, Raw]] = islice(reader(path), limit)

    def skip_to(self, position: int) -> None:
        """Skip rows up to this index, without parsing them."""
        while self.position < position and next(self._raw, None) is not None:
            self.position += 1

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """The rows from here on, each with its line or record number from 1; of a jsonl the bytes of the line.

        Raises:
            InputError: the file is broken; lines of a jsonl are not looked at.
        """
        return self._raw

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows, at most `count`, each with its line or record number from 1.

        Raises:
            InputError: the file is broken; the message names the line.
        """
        rows = []
        for number, raw in islice(self._raw, count):
            rows.append((number, load_row(raw, self.path, number) if isinstance(raw, bytes) else raw))
        self.position += len(rows)
        return rows


def raw_rows(path: Path) -> Iterator[Raw]:
    """Iterate over the rows of a file unparsed: lines of a jsonl, cells of a csv as texts.

    A last line without a newline gets one.

    Raises:
        InputError: as `read_rows`, but no line of a jsonl is looked at.
    """
    is_csv = path.suffix.lower() == ".csv"
    for _, raw in _read_csv(path, cell=lambda text: text) if is_csv else RowCursor(path).raw():
        yield raw if isinstance(raw, dict) or raw.endswith(b"\n") else raw + b"\n"


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Iterate over (line or record number from 1, row) of a jsonl, json, csv or parquet file; json is read at once.

    Raises:
        InputError: the file is missing, of an unknown type, or broken; the message names the line.
    """
    cursor = RowCursor(path)
    while rows := cursor.take(1024):
        yield from rows


def _read_jsonl(path: Path) -> Iterator[tuple[int, Raw]]:
    with path.open("rb", buffering=1 << 20) as file:
        for number, line in enumerate(file, 1):
            text = line[len(_BOM) :] if number == 1 and line.startswith(_BOM) else line
            if not text.isspace() and text:
                yield number, text


def _read_json(path: Path) -> Iterator[tuple[int, Raw]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        _check_utf8(path)
        raise
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or thousands of brackets
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON list of objects; one object a line belongs in a .jsonl file")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: record {number} is a {type(row).__name__}, not an object")
        yield number, row


def _read_csv(path: Path, cell: Callable[[Any], Any] | None = None) -> Iterator[tuple[int, Raw]]:
    cell = cell or cell_value
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(chain(file, [_END]))
            names = next(reader)
            if names == [_END]:
                return
            _check_names(names, path)
            # A row is held back until the next one is read. An open quote takes all lines that follow, the marker too,
            # so the last row that was read is then half the file, and must not be given out.
            held, began, ended = None, 1, reader.line_num
            for cells in reader:
                if held is not None:
                    yield held
                if cells == [_END]:
                    return
                if len(cells) > len(names):
                    columns = count_of(len(names), "column")
                    raise InputError(f"{path}:{reader.line_num}: {len(cells)} cells for {columns}")
                held = (reader.line_num, dict(zip_longest(names, map(cell, cells)))) if cells else None
                began, ended = ended + 1, reader.line_num
            raise InputError(f'{path}:{began}: nothing closes a quote (") here, so it takes all lines that follow')
    except UnicodeDecodeError:
        _check_utf8(path)
        raise


def cell_value(text: Any) -> Any:
    """The value of a csv cell: a list or an object that is written as JSON is parsed, everything else stays a text."""
    if isinstance(text, str) and _JSON_CELL.match(text):
        try:
            return parse(text.encode())
        except ValueError:
            return text
    return text


def _check_names(names: Sequence[str], path: Path) -> None:
    twice = [name for name, times in Counter(names).items() if name and times > 1]
    if twice:
        raise InputError(f"{path}: several columns are named `{twice[0]}`: give each a name of its own")


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("parquet needs pyarrow: pip install 'dataflow-mm[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _read_parquet(path: Path) -> Iterator[tuple[int, Raw]]:
    pyarrow, parquet = _parquet()
    try:
        with parquet.ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, path)
            batches = file.iter_batches(1024)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a parquet file, or not one that can be read: {error}") from None


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Raw]]]] = {
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
}


def finish(part: Path, target: Path) -> None:
    """Rename a complete jsonl file to `target`, or convert it to the type that the suffix of `target` names.

    Args:
        part: the jsonl file, which is gone afterwards.
        target: the path that it gets.

    Raises:
        OSError: the disk does not take it.
        ConfigError: a row does not fit the type.
    """
    kind = target.suffix.lstrip(".")
    if kind == "jsonl":
        rename_durably(part, target)
        return
    with temporary_beside(target) as temporary:
        _CONVERTERS[kind](_part_rows(part), temporary)
        rename_durably(temporary, target)
    part.unlink()


def _part_rows(part: Path) -> Iterator[Row]:
    with part.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield load_row(line, part, number)


def _to_json(rows: Iterable[Row], path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[")
        for index, row in enumerate(rows):
            file.write((b",\n" if index else b"\n") + dump_row(row))
        file.write(b"\n]\n")


def _to_csv(rows: Iterable[Row], path: Path) -> None:
    kept = list(rows)
    columns = list(dict.fromkeys(key for row in kept for key in row))
    # Half a character has no form in a csv: its escape stands there instead.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in kept:
            writer.writerow({key: _as_cell(value) for key, value in row.items()})


def _as_cell(value: object) -> object:
    return dump_value(value).decode() if isinstance(value, list | dict) else value


def _to_parquet(rows: Iterable[Row], path: Path) -> None:
    _write_parquet(list(rows), path)


def check_fits(rows: Sequence[Row], kind: str) -> None:
    """Check that a file of a type can hold rows.

    Args:
        rows: as they are read from JSON.
        kind: the type, one of CACHE_TYPES.

    Raises:
        ConfigError: a column fits no parquet schema, or pyarrow is missing.
    """
    if kind == "parquet":
        _write_parquet(rows, _parquet()[0].MockOutputStream())


def _write_parquet(rows: Sequence[Row], where: Any) -> None:
    """Write rows as parquet to a path or a stream of pyarrow.

    Raises:
        ConfigError: a column fits no parquet schema.
    """
    pyarrow, parquet = _parquet()
    names = dict.fromkeys(name for row in rows for name in row)  # Table.from_pylist takes the first row's alone
    columns, name = {}, ""
    try:
        for name in names:
            columns[name] = _array([row.get(name) for row in rows])
        parquet.write_table(pyarrow.table(columns), where)
    except (pyarrow.ArrowException, OverflowError, ValueError) as error:
        misfit = "these rows do" if len(columns) == len(names) else f"column `{name}` does"
        raise ConfigError(f"{misfit} not fit one parquet schema ({error}); use cache_type='jsonl'") from None


def _array(values: Sequence[object]) -> Any:
    """A parquet column; where texts or numbers do not go with the `[]` of failed rows, the `[]` becomes null."""
    pyarrow, _ = _parquet()
    try:
        return pyarrow.array(values)
    except pyarrow.ArrowException:
        return pyarrow.array([None if value == [] else value for value in values])


_CONVERTERS: dict[str, Callable[[Iterable[Row], Path], None]] = {
    "json": _to_json,
    "csv": _to_csv,
    "parquet": _to_parquet,
}
