"""Finds rows in the files of one step: the step's own file and its side outputs.

A catalogue only reads: it takes no lock and writes nothing into the cache directory. It follows a run that goes on.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflow.calibration.edits import path_rules
from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.judging.tries import TRIES
from dataflow.judging.verdict import CONDITION
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import figures_of_meta, read_figures
from dataflow.utils.files import PathRules
from dataflow.utils.row_json import load_row
from dataflow.utils.rowfiles import CACHE_TYPES, read_rows
from dataflow.utils.step_files import step_files
from dataflow.view.facts import DROPPED, FAILED, REJECTED, SURPLUS
from dataflow.view.query import Query, select, sort
from dataflow.view.row_index import Columns, RowIndex
from dataflow.view.shown import ShownColumns, find_columns

ERRORS = "errors"
_SIDES_OF_ROWS = ("", REJECTED, DROPPED, SURPLUS, "rejected_drawings", ERRORS)
_DRAWINGS = ("drawings", "rejected_drawings", "drawn")
"""Side outputs of rows that are not edited yet: their result is the drawing."""
_PEEKED = 50  # first rows of each file, by which the columns are found


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a row.

    Args:
        file: name of the file in the cache directory.
        line: number of the line, from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a query.

    Args:
        total: how many rows the query finds.
        places: places of the rows of the wanted page, in order.
    """

    total: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one file at one moment.

    Args:
        index: index of the file.
        columns: what is known of its rows.
        counts: whether each row counts: a failed row stands in two files and counts once.
    """

    index: RowIndex
    columns: Columns
    counts: NDArray[np.bool_]

    def named(self, kind: str, rows: NDArray[np.bool_] | None = None) -> dict[str, int]:
        """How many rows have each outcome, operation, language or fault: name → rows. Rows without one are left out.

        Args:
            kind: "outcome", "operation", "language" or "fault".
            rows: whether each row is counted; None: all rows are.
        """
        counted = self.counts if rows is None else self.counts & rows
        names = self.columns.names[kind]
        counts = np.bincount(self.columns.codes[kind][counted], minlength=len(names))
        return {name: int(count) for name, count in zip(names, counts, strict=True) if name and count}


class Catalogue:
    """The rows of one step of a cache directory.

    Args:
        cache_path: the cache directory.
        step: name of the step, `{prefix}_step{n}`.
        given: columns that the user named; None: all columns are found.
    """

    def __init__(self, cache_path: Path, step: str, given: ShownColumns | None = None) -> None:
        self.cache_path, self.step = cache_path, step
        self._given = given
        self.shown = given or ShownColumns()
        self._indexes: dict[str, RowIndex] = {}

    @property
    def indexes(self) -> dict[str, RowIndex]:
        """Name of the side output → index of its file; "" is the step's own file."""
        return dict(self._indexes)

    def follow(self) -> bool:
        """Read a little more of the files; whether there is more to read at once.

        Raises:
            OSError: a file cannot be read.
            ConfigError: a csv, json or parquet file is broken.
        """
        if sum(map(len, self._indexes.values())) < _PEEKED:
            self._find_columns()
        for side, path in self._files():
            if side not in self._indexes:
                self._indexes[side] = RowIndex(path, side, self._shown_of(side))
        # Outcomes of rows are read before the tries that led to them.
        for sides in (_SIDES_OF_ROWS, self._indexes.keys() - set(_SIDES_OF_ROWS)):
            is_more = [self._indexes[side].follow() for side in sides if side in self._indexes]
            if any(is_more):
                return True
        return False

    def read_all(self) -> "Catalogue":
        """Read the files to their present ends."""
        while self.follow():
            pass
        return self

    def close(self) -> None:
        """Close the files."""
        for index in self._indexes.values():
            index.close()

    def row(self, place: Place) -> Row:
        """Read a row.

        Raises:
            LookupError: there is no such row.
            InputError: the row cannot be read.
        """
        return self.index(place.file).row(place.line)

    def index(self, file: str) -> RowIndex:
        """The index of a file.

        Args:
            file: name of the file in the cache directory.

        Raises:
            LookupError: the step has no such file.
        """
        for index in self._indexes.values():
            if index.name == file:
                return index
        raise LookupError(f"{self.step} has no file {file}")

    def find(self, query: Query, start: int = 0, count: int = 60) -> Found:
        """Find rows.

        Args:
            query: which rows, and their order.
            start: number of the first row of the page, from 0.
            count: most rows of the page.
        """
        parts = self.parts(query.side)
        masks = [part.counts & select(part.index, part.columns, query) for part in parts]
        lines = _joined([np.arange(1, len(mask) + 1) for mask in masks], np.intp)
        files = _joined([np.full(len(mask), number) for number, mask in enumerate(masks)], np.intp)
        wanted = _joined(masks, np.bool_)
        order = sort(query.order, [part.columns for part in parts])
        places = np.flatnonzero(wanted) if order is None else order[wanted[order]]
        shown = (Place(parts[files[row]].index.name, int(lines[row])) for row in places[start : start + count])
        return Found(len(places), tuple(shown))

    def parts(self, side: str = "") -> list[Part]:
        """The rows of a side output; of "", those of all files that hold outcomes of rows, and no row counts twice."""
        indexes = [self._indexes[name] for name in ((side,) if side else _SIDES_OF_ROWS) if name in self._indexes]
        found = [Part(index, columns := index.columns(), np.ones(len(columns.tries), np.bool_)) for index in indexes]
        own = next((part.columns for part in found if not part.index.side), None)
        for part in found:
            if (
                part.index.side == ERRORS and own is not None
            ):  # the first errors belong to failed rows of the step's file
                part.counts[: int(np.count_nonzero(_is_failed(own)))] = False
        return found

    def first_rows(self) -> list[Row]:
        """The first rows of every file."""
        return [row for _, path in self._files() for row in _first_rows(path)]

    def counts(self, side: str = "") -> dict[str, Counter[str]]:
        """How many rows have each name: "outcome", "operation", "language" or "fault" → name → rows."""
        found: dict[str, Counter[str]] = {name: Counter() for name in ("outcome", "operation", "language", "fault")}
        for part in self.parts(side):
            for name, counter in found.items():
                counter.update(part.named(name))
        return found

    def tries_of(self, row: Row) -> list[Place]:
        """The places of a row's tries; empty if no side output has them."""
        edits, index = self.shown.edits_of(row), self._indexes.get(TRIES)
        return [Place(index.name, line) for line in index.tries_of(edits[0])] if edits and index is not None else []

    def reason_of(self, place: Place) -> Row:
        """The line of the errors file about a failed row of the step's own file; empty if there is none."""
        own, errors = self._indexes.get(""), self._indexes.get(ERRORS)
        if own is None or errors is None or place.file != own.name:
            return {}
        failed = _is_failed(own.columns())  # both files have the order of the step's rows
        number = int(np.count_nonzero(failed[: place.line]))
        try:
            return errors.row(number) if failed[place.line - 1] else {}
        except (LookupError, IndexError):
            return {}

    @cached_property
    def rules(self) -> PathRules:
        """The rules by which paths in the step's rows are resolved."""
        return path_rules(self.cache_path / f"{self.step}.jsonl")

    @property
    def figures(self) -> Row:
        """The figures of the step's last run, which may still go on."""
        status = read_figures(CacheFolder(self.cache_path).status(self.step))
        return status or figures_of_meta(self.cache_path / f"{self.step}.meta.json")

    @property
    def meta(self) -> Row:
        """The step's meta file; empty if there is none."""
        return read_figures(self.cache_path / f"{self.step}.meta.json")

    def _shown_of(self, side: str) -> ShownColumns:
        if side not in _DRAWINGS:
            return self.shown
        return replace(self.shown, images="", edits=self.shown.images, verdict=CONDITION)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Name of each side output and path of its file; "" is the step's own file."""
        before = f"{self.step}."
        found: dict[str, tuple[int, Path]] = {}
        for path in self.cache_path.glob(f"{_literal(before)}*"):
            name = path.name.removesuffix(".part")
            side, _, kind = name.removeprefix(before).rpartition(".")
            if kind in CACHE_TYPES and "." not in side and side != "meta":
                with suppress(FileNotFoundError):  # a run renames its files when they are complete
                    state = path.stat()
                    if S_ISREG(state.st_mode):
                        newest = state.st_mtime_ns, self.cache_path / name
                        found[side] = max(found.get(side, newest), newest)  # a run with another cache_type leaves both
        yield from ((side, path) for side, (_, path) in sorted(found.items()))

    def _find_columns(self) -> None:
        shown = find_columns(self.first_rows(), output=str(self.figures.get("output") or ""), given=self._given)
        if shown != self.shown or not self._indexes:
            self.close()
            self.shown, self._indexes = shown, {}


def steps_in(cache_path: Path) -> list[str]:
    """Names of the steps of a directory, the newest last."""
    return list(dict.fromkeys(step.name for step in step_files(cache_path)))


def choose_step(cache_path: Path, number: int | None) -> str:
    """Choose the step to show: the newest step of this number, or the newest of all.

    Args:
        cache_path: the cache directory.
        number: of the step; None: any.

    Raises:
        ConfigError: the directory does not exist or has no such step.
    """
    if not cache_path.is_dir():
        what = "is a file" if cache_path.exists() else f"is not there (looked from {Path.cwd()})"
        raise ConfigError(f"{cache_path} {what}: give the directory that is the cache_path of a FileStorage")
    steps = [name for name in steps_in(cache_path) if number is None or name.endswith(f"_step{number}")]
    if not steps:
        what = "no step's file" if number is None else f"no file of step {number}"
        raise ConfigError(f"{cache_path} has {what}, such as dataflow_cache_step_step1.jsonl")
    return steps[-1]


def check_columns(cache_path: Path, step: str, names: Iterable[str]) -> None:
    """Check that the first rows of a step have these columns; a step without rows passes, since it may get them.

    Raises:
        ConfigError: a column is missing.
    """
    with closing(Catalogue(cache_path, step)) as catalogue:
        there = {name: None for row in catalogue.first_rows() for name in row}
    for name in names:
        if there and name not in there:
            known = ", ".join(f"`{column}`" for column in there)
            raise ConfigError(f"the rows of {step} have no column `{name}`; they have {known}")


def _first_rows(path: Path) -> list[Row]:
    """The first rows of a file, or of its `.part` while a run writes it; fewer or none if a line is broken."""
    part = path.with_name(f"{path.name}.part")
    found: list[Row] = []
    with suppress(OSError, ConfigError):  # a line that is being written, a file that goes, or one that is broken
        if path.suffix != ".jsonl" and not part.exists():
            return [row for _, row in islice(read_rows(path), _PEEKED)]
        with (part if part.exists() else path).open("rb") as file:
            for number, line in enumerate(islice(file, _PEEKED), 1):
                row = load_row(line, path, number)
                found.append({**row.pop("fields", {}), **row} if path.name.endswith(".errors.jsonl") else row)
    return found


def _is_failed(columns: Columns) -> NDArray[np.bool_]:
    names = columns.names["outcome"]
    found: NDArray[np.bool_] = columns.codes["outcome"] == (names.index(FAILED) if FAILED in names else len(names))
    return found


def _joined(parts: Sequence[NDArray[Any]], of: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, of)


def _literal(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)
