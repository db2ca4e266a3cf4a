"""Reads rows of text: csv, tsv, json, jsonl, whose pictures are paths, addresses or base64. A bad line fails alone."""

import csv
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dataflow.errors import InputError
from dataflow.ingest.records import Broken, Bytes, Local, Record, Records, Remote, Shape
from dataflow.ingest.sources import Given, Source
from dataflow.utils.row_json import load_row, parse
from dataflow.utils.rowfiles import RowCursor, cell_value, check_wide

_LOOKED_AT = 1000  # records whose fields make the shape
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Rows(Source):
    """The rows of text files, one file after another.

    Args:
        files: absolute paths.
        home: folder in which relative paths of pictures begin; None: there are none.
    """

    files: tuple[Path, ...]
    home: Path | None

    def shape(self) -> Shape:
        """The fields of the first file's first thousand records, and of each other file's first record."""
        shape: Shape = {}
        for path in self.files:
            for record in islice(_records(path), _LOOKED_AT if path == self.files[0] else 1):
                if isinstance(record, Record):
                    shape = merged(shape, shape_of(record.fields))
        return shape

    def records(self, names: Collection[str]) -> Records:
        """A record for each row."""
        for path in self.files:
            yield from _records(path)


def shape_of(value: object) -> Shape:
    """The shape of a value: a mapping, a list, the name of its type, "picture", or None for null."""
    if isinstance(value, Bytes | Local | Remote):
        return "picture"
    if isinstance(value, dict):
        return {str(name): shape_of(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        inner: Shape | None = None
        for each in value:
            inner = shape_of(each) if inner is None else merged(inner, shape_of(each))
        return [] if inner is None else [inner]
    return None if value is None else type(value).__name__


def merged(first: Shape, second: Shape) -> Shape:
    """The shape of records of which some have one shape and some the other."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        names = dict.fromkeys((*first, *second))
        return {name: merged(first.get(name), second.get(name)) for name in names}
    if isinstance(first, list) and isinstance(second, list):
        return [merged(first[0], second[0])] if first and second else first or second
    if second is None:
        return first
    return second if first in (None, []) or (isinstance(first, str) and not isinstance(second, str)) else first


def _records(path: Path) -> Records:
    ending = path.suffix.lower()
    if ending == ".json":
        return _json(path)
    return _table(path, _SEPARATORS[ending]) if ending in _SEPARATORS else _lines(path)


def _lines(path: Path) -> Records:
    for number, raw in RowCursor(path).raw():
        try:
            fields = load_row(raw, path, number) if isinstance(raw, bytes) else raw
        except InputError as error:
            yield Broken(f"line {number} of {path.name}", str(error).partition(": ")[2])
        else:
            yield Record(f"line {number} of {path.name}", fields)


def _json(path: Path) -> Records:
    """Records of a JSON file: the objects of a list, or the values of an object, whose names become the field `key`."""
    check_wide(path)
    try:
        found = parse(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if isinstance(found, dict) and found and all(isinstance(each, dict) for each in found.values()):
        found = [{"key": key, **each} for key, each in found.items()]
    if not isinstance(found, list):
        raise InputError(f"{path}: expected a JSON list of objects; one object a line belongs in a .jsonl file")
    for number, each in enumerate(found, 1):
        place = f"record {number} of {path.name}"
        yield Record(place, each) if isinstance(each, dict) else Broken(place, f"it is a {type(each).__name__}")


def _table(path: Path, separator: str) -> Iterator[Record | Broken]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    check_wide(path)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file, delimiter=separator, restkey="", strict=True)
        try:
            names = [name for name in reader.fieldnames or () if name]
        except csv.Error as error:
            raise InputError(f"{path}:1: it is no csv: {error}") from None
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"{path}: several columns are named `{twice}`: give each a name of its own")
        if _has_bad_bytes(names):
            raise InputError(f"{path}: its first line is not UTF-8: save it as UTF-8")
        for first, cells in _rows(reader):
            place = f"line {reader.reader.line_num} of {path.name}"
            if isinstance(cells, csv.Error):
                yield Broken(f"lines {first} to {reader.reader.line_num} of {path.name}", f"it is no csv: {cells}")
            elif "" in cells and isinstance(cells[""], list):
                yield Broken(place, f"it has {len(names) + len(cells[''])} cells for {len(names)} columns")
            elif not "".join(each or "" for each in cells.values()).isprintable() and _has_bad_bytes(cells.values()):
                yield Broken(place, "it is not UTF-8")
            else:
                yield Record(place, {name: cell_value(value) for name, value in cells.items()})


def _rows(reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, Any] | csv.Error]]:
    """The first line of each row, and its cells or an error: a quote that is never closed takes all following lines."""
    while True:
        first = reader.reader.line_num + 1
        try:
            yield first, next(reader)
        except csv.Error as error:
            yield first, error
        except StopIteration:
            return


def _has_bad_bytes(cells: Collection[str | None]) -> bool:
    """Whether a cell has a byte that is not UTF-8."""
    return any("\udc80" <= each <= "\udcff" for cell in cells for each in cell or "")


def open_rows(given: Given) -> Source:
    """Open files of rows."""
    return Rows(given.files, given.root or given.files[0].parent)
