"""Writes a step's files: the rows and side outputs in the making, and the renames that complete them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

import orjson

import dataflow
from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import write_atomic
from dataflow.utils.row_json import dump_row
from dataflow.utils.rowfiles import finish

ERRORS = "errors"
SideFile = Callable[[str], Path]
_SIDE_NAME = re.compile("(?!(errors|meta)$)[a-z][a-z_]*")  # no digits, so that no name looks like a step file


class StepWriter:
    """A context manager that writes rows into `{target}.part` and side outputs beside it; `commit` renames them.

    The part files of an interrupted run stay: a reader finds good rows in them, and the next run begins them anew.

    Args:
        target: path of the step's file.
        meta: path of the JSON file that says how `target` was made.
        root: folder below which pictures are named; the meta file records it.
        side: name of a side output → path of its file.
        sides: names of the declared side outputs, whose files exist even if no row goes to them. `errors` is not among
            them: its file exists only if a row failed.

    Raises:
        ConfigError: a side output cannot have one of these names.
    """

    def __init__(self, target: Path, meta: Path, root: Path, side: SideFile, sides: Sequence[str] = ()) -> None:
        for name in sides:
            if not _SIDE_NAME.fullmatch(name):
                raise ConfigError(
                    f"a side output cannot be named {name!r}: give lower-case letters and underscores; `errors` and"
                    f" `meta` are taken"
                )
        self._target, self._meta = target, meta
        self._root, self._side, self._sides = root, side, sides
        self._parts: dict[str, tuple[Path, BinaryIO]] = {}  # side output, or "" for the rows → file in the making

    def __enter__(self) -> Self:
        with _storing(self._target):
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._write = self._open("")
            for name in self._sides:
                self._open(name)
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        with suppress(OSError) if kind is not None else _storing(self._target):
            for _, file in self._parts.values():
                file.close()

    def _path(self, name: str) -> Path:
        return self._side(name) if name else self._target

    def _open(self, name: str) -> Callable[[bytes], object]:
        part = _part_of(self._path(name))
        file = part.open("wb", buffering=1 << 18)
        self._parts[name] = (part, file)
        return file.write

    def follow(self, source: object) -> None:
        """Name the cursor that the rows come of; only the writer of a shard needs it."""

    def begin_row(self, index: int) -> None:
        """Say that the rows written next come of the source row of this index; only the writer of a shard needs it."""

    def write(self, row: Row) -> None:
        """Write one row of the step.

        Raises:
            RowError: a value has no form in JSON.
            NotStored: the disk does not take it.
        """
        self.write_line(dump_row(row) + b"\n")

    def write_line(self, line: bytes, side: str = "") -> None:
        """Write one line of the step's file or of a declared side output.

        Args:
            line: as `dump_row` makes it, with a newline behind it.
            side: name of the side output; empty for the step's file.

        Raises:
            NotStored: the disk does not take it.
        """
        try:
            (self._parts[side][1].write if side else self._write)(line)
        except OSError as error:
            raise not_stored(error, self._path(side)) from error

    def side(self, name: str, row: Row) -> None:
        """Write one row of a side output.

        Args:
            name: one of `sides`, or `errors`.
            row: the row.

        Raises:
            NotStored: the disk does not take it.
        """
        line = dump_row(row) + b"\n"
        with _storing(self._path(name)):
            if name == ERRORS and name not in self._parts:
                self._open(name)
            self._parts[name][1].write(line)

    def reader(self) -> int:
        """A descriptor that reads the step's file while it is written; the caller closes it."""
        with _storing(self._target):
            return os.open(self._parts[""][0], os.O_RDONLY)

    def flush(self) -> None:
        """Hand all rows so far to the system, so that readers of the files in the making see them."""
        with _storing(self._target):
            for _, file in self._parts.values():
                file.flush()

    def commit(self, meta: Mapping[str, JSON]) -> None:
        """Give every file its final name, the step's file last, and write the meta file before that.

        Args:
            meta: what the meta file says. The names under its key "sides" are those of the side outputs: a later run of
                the step deletes the files among them that it does not write itself.

        Raises:
            NotStored: the disk does not take the files; the step stays unfinished.
        """
        with _storing(self._target):
            self.__exit__(None)
            for name in self._parts:
                if name:
                    self._finish_side(name)
            self._remove_sides_of_an_earlier_run()
            self._finish(meta)

    def give_up(self) -> None:
        """Keep only the errors file, which says why: the step stays unfinished.

        The files of an earlier run are deleted too, or the next step would read rows that this run did not accept. The
        journal keeps the answers of that run.

        Raises:
            NotStored: the disk does not take the errors file.
        """
        with _storing(self._target):
            self.__exit__(None)
            self._finish_side(ERRORS)
            self._remove_sides_of_an_earlier_run()
            for name in self._parts.keys() - {ERRORS}:
                for path in (self._path(name), _part_of(self._path(name))):
                    path.unlink(missing_ok=True)
            self._meta.unlink(missing_ok=True)

    def _finish_side(self, name: str) -> None:
        finish(self._parts[name][0], self._path(name))

    def _remove_sides_of_an_earlier_run(self) -> None:
        earlier = orjson.loads(self._meta.read_bytes()).get("sides", ()) if self._meta.exists() else ()
        for name in {ERRORS, *filter(_SIDE_NAME.fullmatch, earlier)} - self._parts.keys():
            for path in (self._path(name), _part_of(self._path(name))):
                path.unlink(missing_ok=True)

    def _finish(self, meta: Mapping[str, JSON]) -> None:
        root = self._root.expanduser().absolute()
        where: dict[str, JSON] = {"cwd": str(Path.cwd()), "cache_path": str(root)}
        versions: dict[str, JSON] = {"dataflow": dataflow.__version__}
        write_atomic(self._meta, orjson.dumps({**where, **meta, "versions": versions}, option=orjson.OPT_INDENT_2))
        finish(self._parts[""][0], self._target)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Raise an OSError of this block as NotStored; `path` is named where the error names no file."""
    try:
        yield
    except OSError as error:
        raise not_stored(error, path) from error
