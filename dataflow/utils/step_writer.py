"""A step's files in the making: rows, side outputs, and the renames that complete them."""

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
from dataflow.utils.files import write_atomic
from dataflow.utils.held import not_stored
from dataflow.utils.row_json import dump_row
from dataflow.utils.rowfiles import finish

ERRORS = "errors"
SideFile = Callable[[str], Path]
_SIDE_NAME = re.compile("(?!(errors|meta)$)[a-z][a-z_]*")  # without a digit, none looks like a step's file


class StepWriter:
    """Writes a step's rows into `{target}.part`, side outputs beside it, and renames all at the commit.

    An interrupted part file is kept: it holds good rows, and the next run begins it anew.

    Args:
        target: the step's own file.
        meta: what is known about how it was made.
        root: below which pictures are named, as the step's meta says; of a storage, its cache path.
        side: name of a side output → its file.
        sides: names of the side outputs that are there even if no row goes to them. `errors` is there only if one does.

    Raises:
        ConfigError: a side output cannot have this name.
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
        self._parts: dict[str, tuple[Path, BinaryIO]] = {}

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
        """Rows come of what this reads; only a shard's writer takes note of it."""

    def begin_row(self, index: int) -> None:
        """What is written next comes of this row of the source; only a shard's writer takes note of it."""

    def write(self, row: Row) -> None:
        """One row of the step."""
        self.write_line(dump_row(row) + b"\n")

    def write_line(self, line: bytes, side: str = "") -> None:
        """One row of the step, or of one of its `sides`, as `dump_row` makes it, with its newline."""
        try:
            (self._parts[side][1].write if side else self._write)(line)
        except OSError as error:
            raise not_stored(error, self._path(side)) from error

    def side(self, name: str, row: Row) -> None:
        """One row of the side output `{prefix}_step{n}.{name}.jsonl`, of `sides` or `errors`."""
        line = dump_row(row) + b"\n"
        with _storing(self._path(name)):
            if name == ERRORS and name not in self._parts:
                self._open(name)
            self._parts[name][1].write(line)

    def reader(self) -> int:
        """A descriptor that reads the step's own file while it is written; whoever asks closes it."""
        with _storing(self._target):
            return os.open(self._parts[""][0], os.O_RDONLY)

    def flush(self) -> None:
        """Show all rows so far to whoever reads the files in the making."""
        with _storing(self._target):
            for _, file in self._parts.values():
                file.flush()

    def commit(self, meta: Mapping[str, JSON]) -> None:
        """Give every file its final name, the step's own last; `meta` is written beside it.

        Args:
            meta: what is known; names under "sides" are those of the side outputs, so that a later run of the step
                removes those that it does not write itself.

        Raises:
            NotStored: the disk does not take them; the step stays unfinished.
        """
        with _storing(self._target):
            self.__exit__(None)
            for name in self._parts:
                if name:
                    self._finish_side(name)
            self._remove_sides_of_an_earlier_run()
            self._finish(meta)

    def give_up(self) -> None:
        """Give the errors file its final name and the step none: it stays unfinished, and the errors tell why.

        What an earlier run left goes too, or the next step would take rows that this run did not accept; the journal
        keeps what that run was answered.

        Raises:
            NotStored: the disk does not take it.
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
    try:
        yield
    except OSError as error:
        raise not_stored(error, path) from error
