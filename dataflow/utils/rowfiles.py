"""Rows in files: jsonl streams; json, csv and parquet are read and written through the same rows.

orjson does not lose data and is fast; what it cannot hold exactly (integers over 64 bits) and the
NaN that `json.dumps` writes go through the standard library.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from dataflow.core.records import Row
from dataflow.errors import ConfigError, InputError
from dataflow.utils.files import rename_durably, temporary_beside

CACHE_TYPES = ("jsonl", "json", "csv", "parquet")
_LONG_INTEGER = re.compile(rb"\d{19}")
_BOM = b"\xef\xbb\xbf"
_JSON_CELL = re.compile(r"^\s*[\[{]")


def dump_row(row: Row) -> bytes:
    """One row as a json line, without the newline."""
    try:
        return orjson.dumps(row, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        # allow_nan stays True: such a NaN is read back below and written as null by the next step.
        return json.dumps(row, default=_plain, ensure_ascii=False).encode()


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if hasattr(value, "tolist"):  # a numpy array orjson does not take, a pandas value
        return value.tolist()
    if hasattr(value, "isoformat"):  # a pandas time; orjson knows those of the standard library
        return value.isoformat()
    raise TypeError(f"a row holds a {type(value).__name__}, which JSON has no form for: {value!r:.80}")


def load_row(line: bytes, path: Path, number: int) -> Row:
    """One json line as a row.

    Raises:
        InputError: not UTF-8, not JSON, or not an object; names path and line.
    """
    try:
        row = json.loads(line) if _LONG_INTEGER.search(line) else orjson.loads(line)
    except ValueError as error:
        row = _load_leniently(line, path, number, error)
    if not isinstance(row, dict):
        raise InputError(f"{path}:{number}: expected one JSON object a line, found a {type(row).__name__}")
    return row


def _load_leniently(line: bytes, path: Path, number: int, error: ValueError) -> object:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise _not_utf8(path, number, bad) from None
    if "NaN" in text or "Infinity" in text:
        try:
            return json.loads(text)
        except ValueError:
            pass
    raise InputError(f"{path}:{number}: not valid JSON ({error}); the line starts with {text[:60]!r}") from None


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{path}:{number}: byte {error.start + 1} is not UTF-8; convert the file, for example with"
        f" `iconv -f gb18030 -t utf-8`"
    )


def _check_utf8(path: Path) -> None:
    """Find the line that a reader of the whole file failed on."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from None


Raw = bytes | Row


class RowCursor:
    """Reads a file of rows in order; rows passed over are not parsed.

    Attributes:
        position: index from 0 of the row that `take` gives next.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        """Open the file; rows after the first `limit` are not there.

        Raises:
            InputError: the file is missing or of an unknown kind.
        """
        if not path.is_file():
            raise InputError(f"no input file at {path} (looked from {Path.cwd()})")
        reader = _READERS.get(path.suffix.lower().lstrip("."))
        if reader is None:
            raise InputError(f"{path}: unknown kind of file; give one of {', '.join('.' + t for t in CACHE_TYPES)}")
        self.path = path
        self.position = 0
        self._raw = islice(reader(path), limit)

    def skip_to(self, position: int) -> None:
        """Pass over rows up to this index."""
        while self.position < position and next(self._raw, None) is not None:
            self.position += 1

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows, at most `count`, each with its line or record number from 1.

        Raises:
            InputError: the file is broken at a line that is named.
        """
        rows = []
        for number, raw in islice(self._raw, count):
            rows.append((number, load_row(raw, self.path, number) if isinstance(raw, bytes) else raw))
        self.position += len(rows)
        return rows


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line or record number from 1, row) of a jsonl, json, csv or parquet file, streamed where the kind allows.

    Raises:
        InputError: the file is missing, of an unknown kind, or broken at a line that is named.
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
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON list of objects; one object a line belongs in a .jsonl file")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: record {number} is a {type(row).__name__}, not an object")
        yield number, row


def _read_csv(path: Path) -> Iterator[tuple[int, Raw]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for cells in reader:
                if None in cells:
                    wide = len(cells) - 1
                    raise InputError(f"{path}:{reader.line_num}: {wide + len(cells[None])} cells for {wide} columns")
                yield reader.line_num, {key: _cell(value) for key, value in cells.items()}
    except UnicodeDecodeError:
        _check_utf8(path)
        raise


def _cell(text: Any) -> Any:
    """A csv cell: lists and objects are written as JSON, everything else stays text."""
    if isinstance(text, str) and _JSON_CELL.match(text):
        try:
            return orjson.loads(text)
        except ValueError:
            return text
    return text


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
            batches = file.iter_batches(1024)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path}: not a parquet file: {error}") from None


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Raw]]]] = {
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
}


def finish(part: Path, target: Path) -> None:
    """Turn a complete jsonl `part` into `target`, converting to the kind its name asks for."""
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
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in kept:
            writer.writerow({key: _as_cell(value) for key, value in row.items()})


def _as_cell(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _to_parquet(rows: Iterable[Row], path: Path) -> None:
    pyarrow, parquet = _parquet()
    try:
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    except pyarrow.ArrowInvalid as error:
        raise ConfigError(f"these rows do not fit one parquet schema ({error}); use cache_type='jsonl'") from None


_CONVERTERS: dict[str, Callable[[Iterable[Row], Path], None]] = {
    "json": _to_json,
    "csv": _to_csv,
    "parquet": _to_parquet,
}
