"""Where the rows of one file begin, and what is known of each, in compact arrays; follows a file as it grows.

A hundred thousand rows take some 25 MB, most of it the words that a search finds. The file stays open, so a row that
was seen can be read after a run has put another file in its place.
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
from dataflow.view.shown import Shown

CHUNK = 250  # rows that are taken in before others may read
_NUMBERS = ("score", "lowest", "cost", "changed")
_NAMES = ("outcome", "operation", "language", "fault")
_NAN = float("nan")
_MOST_NAMES = 4096  # of one kind that are told apart; further ones stand together
_OTHERS = "others"
_MOST_TRIES = 64  # of a row that are shown


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of all rows of a file, at one moment; arrays of the same length.

    Args:
        numbers: by name: score, lowest, cost, changed; NaN where it is not known.
        codes: by name: outcome, operation, language, fault; indices into `names`.
        names: what the codes mean.
        tries: edits that were made for a row.
    """

    numbers: dict[str, NDArray[np.float32]]
    codes: dict[str, NDArray[np.uint16]]
    names: dict[str, list[str]]
    tries: NDArray[np.uint16]


@dataclass(slots=True)
class _Kept:
    """The arrays that grow."""

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
    """The rows of one file.

    Args:
        target: its path; while a run writes it, it has `.part` at its end.
        side: name of the side output; "": the step's own file.
        shown: its columns.
    """

    def __init__(self, target: Path, side: str, shown: Shown) -> None:
        self.target, self.side, self.shown = target, side, shown
        self._lock = threading.RLock()
        self._file: BinaryIO | None = None
        self._inode = self._last = 0
        self._kept = _Kept()

    def __len__(self) -> int:
        return len(self._kept.ends)

    @property
    def name(self) -> str:
        """Of the file, as it is called once it is complete."""
        return self.target.name

    def follow(self) -> bool:
        """Take in at most CHUNK more rows; whether there were as many.

        Raises:
            OSError, ConfigError: the file cannot be read.
        """
        with self._lock:
            self._open_what_is_there()
            if self._file is None:
                return False
            start = self._kept.ends[-1] if self._kept.ends else 0
            self._file.seek(0, os.SEEK_END)  # lets go of what was read ahead, which a run may have written anew
            self._file.seek(start)
            for _ in range(CHUNK):
                line = self._file.readline()
                if not line.endswith(b"\n"):  # the rest is being written
                    return False
                start += len(line)
                self._last = hash(line)
                self._take(line, start)
            return True

    def row(self, number: int) -> Row:
        """One row, by its line from 1.

        Raises:
            LookupError: there is no such line.
            InputError: it cannot be read.
        """
        with self._lock:
            ends = self._kept.ends
            if self._file is None or not 1 <= number <= len(ends):
                raise LookupError(f"{self.name} has no line {number}")
            start = ends[number - 2] if number > 1 else 0
            self._file.seek(start)
            line = self._file.read(ends[number - 1] - start)
        return self._flat(load_row(line, self.target, number))

    def columns(self) -> Columns:
        """What is known now."""
        with self._lock:
            kept = self._kept
            return Columns(
                {name: np.array(numbers, np.float32) for name, numbers in kept.numbers.items()},
                {name: np.array(codes, np.uint16) for name, codes in kept.codes.items()},
                {name: list(names) for name, names in kept.names.items()},
                np.array(kept.tries, np.uint16),
            )

    def having(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Which rows have all these words, wherever they stand; capitals are no matter."""
        with self._lock:
            ends = np.array(self._kept.word_ends, np.int64)
            found = np.ones(len(ends), np.bool_)
            for word in words:
                spelled = re.escape(word.casefold().replace("\n", " ").encode("utf-8", "replace"))
                places = [match.start() for match in re.finditer(spelled, self._kept.words)]
                mask = np.zeros(len(ends), np.bool_)
                mask[np.searchsorted(ends, np.array(places, np.int64), side="right")] = True
                found &= mask
        return found

    def tries_of(self, edit: str) -> list[int]:
        """Lines of the tries of one row, of which one made this edit; empty: none did."""
        with self._lock:
            found = np.flatnonzero(np.array(self._kept.pictures, np.uint64) == _key(edit))
            if not len(found):
                return []
            begins = np.flatnonzero(np.array(self._kept.first_tries, np.uint8))
        after = int(np.searchsorted(begins, found[0], side="right"))
        first = int(begins[after - 1]) if after else 0
        last = int(begins[after]) if after < len(begins) else len(self)
        return list(range(first + 1, min(last, first + _MOST_TRIES) + 1))

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._inode, self._kept = None, 0, _Kept()

    def _open_what_is_there(self) -> None:
        part = self.target.with_name(f"{self.target.name}.part")
        path = part if part.exists() else self.target
        try:
            state = path.stat()
        except OSError:
            if self._file is None or not self.side:
                self.close()
            return
        has_lines = path.suffix in (".part", ".jsonl")
        if state.st_ino == self._inode and (not has_lines or self._goes_on()):
            return
        self.close()
        self._file = path.open("rb") if has_lines else _as_lines(path)
        self._inode = state.st_ino

    def _goes_on(self) -> bool:
        """Whether the line that was read last is still there: a run that is begun anew writes into the same file."""
        if self._file is None or not (ends := self._kept.ends):
            return self._file is not None
        start = ends[-2] if len(ends) > 1 else 0
        return hash(os.pread(self._file.fileno(), ends[-1] - start, start)) == self._last

    def _take(self, line: bytes, end: int) -> None:
        try:
            row = self._flat(self._parsed(line))
            facts = facts_of(row, self.shown, side=self.side)
            edits = self.shown.after(row)
            told = row.get(self.shown.verdict)
            is_first = not isinstance(told, dict) or (told.get("try") or told.get("candidate") or 0) == 0
        except InputError as error:
            facts = Facts(FAILED, "", "", "this line cannot be read", _NAN, _NAN, _NAN, _NAN, 0, str(error).casefold())
            edits, is_first = [], True
        self._kept.add(facts, end=end, picture=_key(edits[0]) if edits else 0, is_first=is_first)

    def _parsed(self, line: bytes) -> Row:
        """A row; digits that only exact parsing keeps are no matter here."""
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        return row if isinstance(row, dict) else load_row(line, self.target, len(self) + 1)

    def _flat(self, row: Row) -> Row:
        """A line of the errors file as a row: its fields, and why it failed."""
        fields = row.get("fields")
        if self.side != "errors" or not isinstance(fields, dict):
            return row
        return {**fields, **{name: value for name, value in row.items() if name != "fields"}}


def _key(path: str) -> int:
    return int.from_bytes(blake2b(path.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _as_lines(path: Path) -> BinaryIO:
    """The rows of a csv, json or parquet file as jsonl, in a file that goes with its last reader."""
    with ExitStack() as undo:
        file = undo.enter_context(tempfile.TemporaryFile())
        for _, row in read_rows(path):
            file.write(dump_row(row) + b"\n")
        file.flush()
        undo.pop_all()  # it stays open
    return file
