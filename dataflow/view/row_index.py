"""Indexes the rows of one file in compact arrays: where each row begins, and its facts. Follows a file as it grows.

A hundred thousand rows take some 25 MB, most of it for the text that a search looks through. The file stays open, so an
indexed row can be read even after a run has put another file in its place.
"""

import os
import re
import tempfile
import threading
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from dataflow.core.records import Row
from dataflow.errors import InputError
from dataflow.utils.row_json import dump_row, load_row
from dataflow.utils.rowfiles import read_rows
from dataflow.view.facts import FAILED, Facts, facts_of
from dataflow.view.shown import ShownColumns

CHUNK = 250  # rows that one call of `follow` reads while it holds the lock
_NUMBERS = ("score", "lowest", "cost", "changed")
_NAMES = ("outcome", "operation", "language", "fault")
_NAN = float("nan")
_MOST_NAMES = 4096  # names of one kind with a code of their own; further names share the code of "others"
_OTHERS = "others"
_MOST_TRIES = 64  # tries of a row that are shown


@dataclass(frozen=True, slots=True)
class Columns:
    """The facts of all rows of a file at one moment, as arrays of one length.

    Args:
        numbers: "score", "lowest", "cost" and "changed" → the number of each row; NaN: not known.
        codes: "outcome", "operation", "language" and "fault" → the code of each row, an index into `names`.
        names: the same four kinds → names, by code.
        tries: how many edits were made for each row.
    """

    numbers: dict[str, NDArray[np.float32]]
    codes: dict[str, NDArray[np.uint16]]
    names: dict[str, list[str]]
    tries: NDArray[np.uint16]


@dataclass(slots=True)
class _Arrays:
    """The growing arrays of an index."""

    ends: "array[int]" = field(default_factory=lambda: array("Q"))
    numbers: dict[str, "array[float]"] = field(default_factory=lambda: {name: array("f") for name in _NUMBERS})
    codes: dict[str, "array[int]"] = field(default_factory=lambda: {name: array("H") for name in _NAMES})
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in _NAMES})
    tries: "array[int]" = field(default_factory=lambda: array("H"))
    pictures: "array[int]" = field(default_factory=lambda: array("Q"))
    first_tries: "array[int]" = field(default_factory=lambda: array("B"))
    words: bytearray = field(default_factory=bytearray)
    word_ends: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, facts: Facts, *, end: int, picture: int, is_first: bool) -> None:
        for name, numbers in self.numbers.items():
            numbers.append(getattr(facts, name))
        for kind, codes in self.codes.items():
            name, known = getattr(facts, kind), self.names[kind]
            code = known.get(name)
            codes.append(self._new_code(known, name) if code is None else code)
        self.tries.append(min(max(facts.tries, 0), 65535))
        self.pictures.append(picture)
        self.first_tries.append(is_first)
        self.words += facts.text.replace("\n", " ").encode("utf-8", "replace") + b"\n"
        self.word_ends.append(len(self.words))
        self.ends.append(end)

    def _new_code(self, known: dict[str, int], name: str) -> int:
        return known.setdefault(name if len(known) < _MOST_NAMES else _OTHERS, len(known))


class RowIndex:
    """The index of one file's rows.

    Args:
        target: path of the file; while a run writes the file, its path ends in `.part`.
        side: name of the side output; "": the step's own file.
        shown: names of the columns.
    """

    def __init__(self, target: Path, side: str, shown: ShownColumns) -> None:
        self.target, self.side, self.shown = target, side, shown
        self._lock = threading.RLock()
        self._file: BinaryIO | None = None
        self._inode = self._last_line_hash = 0
        self._arrays = _Arrays()

    def __len__(self) -> int:
        return len(self._arrays.ends)

    @property
    def name(self) -> str:
        """Name of the complete file."""
        return self.target.name

    def follow(self) -> bool:
        """Read at most CHUNK more rows; whether there were as many, so that more may follow at once.

        Raises:
            OSError: the file cannot be read.
            ConfigError: a csv, json or parquet file is broken.
        """
        with self._lock:
            self._open_current_file()
            if self._file is None:
                return False
            start = self._arrays.ends[-1] if self._arrays.ends else 0
            self._file.seek(0, os.SEEK_END)  # drops the buffer, whose bytes a run may have written anew
            self._file.seek(start)
            for _ in range(CHUNK):
                line = self._file.readline()
                if not line.endswith(b"\n"):  # a run is still writing this line
                    return False
                start += len(line)
                self._last_line_hash = hash(line)
                self._add_line(line, start)
            return True

    def row(self, number: int) -> Row:
        """Read one row.

        Args:
            number: of its line, from 1.

        Raises:
            LookupError: there is no such line.
            InputError: the line is broken.
        """
        with self._lock:
            ends = self._arrays.ends
            if self._file is None or not 1 <= number <= len(ends):
                raise LookupError(f"{self.name} has no line {number}")
            start = ends[number - 2] if number > 1 else 0
            self._file.seek(start)
            line = self._file.read(ends[number - 1] - start)
        return self._flat(load_row(line, self.target, number))

    def columns(self) -> Columns:
        """The facts of all rows so far."""
        with self._lock:
            arrays = self._arrays
            return Columns(
                {name: np.array(numbers, np.float32) for name, numbers in arrays.numbers.items()},
                {name: np.array(codes, np.uint16) for name, codes in arrays.codes.items()},
                {name: list(names) for name, names in arrays.names.items()},
                np.array(arrays.tries, np.uint16),
            )

    def rows_with(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each row has all these words, anywhere in its text and in small or large letters."""
        with self._lock:
            ends = np.array(self._arrays.word_ends, np.int64)
            found = np.ones(len(ends), np.bool_)
            for word in words:
                spelled = re.escape(word.casefold().replace("\n", " ").encode("utf-8", "replace"))
                places = [match.start() for match in re.finditer(spelled, self._arrays.words)]
                mask = np.zeros(len(ends), np.bool_)
                mask[np.searchsorted(ends, np.array(places, np.int64), side="right")] = True
                found &= mask
        return found

    def tries_of(self, edit: str) -> list[int]:
        """The lines of all tries of the row for which this edit was made; empty if no try made it.

        Args:
            edit: path of the edit, as its row spells it.
        """
        with self._lock:
            found = np.flatnonzero(np.array(self._arrays.pictures, np.uint64) == _key(edit))
            if not len(found):
                return []
            begins = np.flatnonzero(np.array(self._arrays.first_tries, np.uint8))
        # The tries of a row stand together: from the last first try up to this edit, to before the next first try.
        after = int(np.searchsorted(begins, found[0], side="right"))
        first = int(begins[after - 1]) if after else 0
        last = int(begins[after]) if after < len(begins) else len(self)
        return list(range(first + 1, min(last, first + _MOST_TRIES) + 1))

    def close(self) -> None:
        """Close the file and forget its rows."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._inode, self._arrays = None, 0, _Arrays()

    def _open_current_file(self) -> None:
        part = self.target.with_name(f"{self.target.name}.part")
        path = part if part.exists() else self.target
        try:
            state = path.stat()
        except OSError:
            if self._file is None or not self.side:
                self.close()
            return
        has_lines = path.suffix in (".part", ".jsonl")
        if state.st_ino == self._inode and (not has_lines or self._is_same_content()):
            return
        self.close()
        self._file = path.open("rb") if has_lines else _as_lines(path)
        self._inode = state.st_ino

    def _is_same_content(self) -> bool:
        """Whether the last indexed line is unchanged: a run that begins anew writes other lines into the same file."""
        if self._file is None or not (ends := self._arrays.ends):
            return self._file is not None
        start = ends[-2] if len(ends) > 1 else 0
        return hash(os.pread(self._file.fileno(), ends[-1] - start, start)) == self._last_line_hash

    def _add_line(self, line: bytes, end: int) -> None:
        try:
            row = self._flat(self._parsed(line))
            facts = facts_of(row, self.shown, side=self.side)
            edits = self.shown.edits_of(row)
            verdict = row.get(self.shown.verdict)
            is_first = not isinstance(verdict, dict) or (verdict.get("try") or verdict.get("candidate") or 0) == 0
        except InputError as error:
            facts = Facts(FAILED, "", "", "this line cannot be read", _NAN, _NAN, _NAN, _NAN, 0, str(error).casefold())
            edits, is_first = [], True
        self._arrays.add(facts, end=end, picture=_key(edits[0]) if edits else 0, is_first=is_first)

    def _parsed(self, line: bytes) -> Row:
        """Parse a line fast; it may lose digits of large numbers, which no fact has."""
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        return row if isinstance(row, dict) else load_row(line, self.target, len(self) + 1)

    def _flat(self, row: Row) -> Row:
        """The row of a line: a line of the errors file has the row's columns in `fields`, beside the reason."""
        fields = row.get("fields")
        if self.side != "errors" or not isinstance(fields, dict):
            return row
        return {**fields, **{name: value for name, value in row.items() if name != "fields"}}


def _key(path: str) -> int:
    return int.from_bytes(blake2b(path.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _as_lines(path: Path) -> BinaryIO:
    """The rows of a csv, json or parquet file as jsonl, in a temporary file that vanishes when it is closed."""
    with ExitStack() as undo:
        file = undo.enter_context(tempfile.TemporaryFile())
        for _, row in read_rows(path):
            file.write(dump_row(row) + b"\n")
        file.flush()
        undo.pop_all()  # the file stays open for the caller
    return file
