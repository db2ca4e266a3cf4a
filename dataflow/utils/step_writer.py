"""A step's files in the making: rows, side outputs, and the renames that complete them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson

import dataflow
from dataflow.core.records import JSON, Row
from dataflow.utils.files import write_atomic
from dataflow.utils.held import not_stored
from dataflow.utils.rowfiles import dump_row, finish


class StepWriter:
    """Writes a step's rows into `{target}.part`, side outputs beside it, and renames all at the commit.

    An interrupted part file is kept: it holds good rows, and the next run begins it anew.

    Args:
        target: the step's own file.
        meta: what is known about how it was made.
        errors: the side output of failed rows; one that is left from an earlier run goes.
        cache_path: of the storage.
        side: name of a side output → its file.
    """

    def __init__(self, target: Path, meta: Path, errors: Path, cache_path: Path, side: Callable[[str], Path]) -> None:
        self._target, self._meta, self._errors = target, meta, errors
        self._cache_path, self._side = cache_path, side
        self._parts: dict[str, tuple[Path, BinaryIO]] = {}

    def __enter__(self) -> "StepWriter":
        with _storing(self._target):
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._write = self._open("")
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        with suppress(OSError) if kind is not None else _storing(self._target):
            for _, file in self._parts.values():
                file.close()

    def _path(self, name: str) -> Path:
        return self._side(name) if name else self._target

    def _open(self, name: str) -> Callable[[bytes], object]:
        part = self._path(name).with_name(self._path(name).name + ".part")
        file = part.open("wb", buffering=1 << 18)
        self._parts[name] = (part, file)
        return file.write

    def write(self, row: Row) -> None:
        """One row of the step."""
        line = dump_row(row) + b"\n"
        try:
            self._write(line)
        except OSError as error:
            raise not_stored(error, self._target) from error

    def side(self, name: str, row: Row) -> None:
        """One row of the side output `{prefix}_step{n}.{name}.jsonl`."""
        line = dump_row(row) + b"\n"
        with _storing(self._path(name)):
            write = self._parts[name][1].write if name in self._parts else self._open(name)
            write(line)

    def flush(self) -> None:
        """Show all rows so far to whoever reads the files in the making."""
        with _storing(self._target):
            for _, file in self._parts.values():
                file.flush()

    def commit(self, meta: Mapping[str, JSON]) -> None:
        """Give every file its final name, the step's own last; `meta` is written beside it.

        Raises:
            NotStored: the disk does not take them; the step stays unfinished.
        """
        with _storing(self._target):
            self._finish_sides()
            self._finish(meta)

    def give_up(self) -> None:
        """Give the side outputs their final names and the step none: it stays unfinished, and they tell why.

        Raises:
            NotStored: the disk does not take them.
        """
        with _storing(self._target):
            self._finish_sides()

    def _finish_sides(self) -> None:
        self.__exit__(None)
        for name, (part, _) in self._parts.items():
            if name:
                finish(part, self._path(name))

    def _finish(self, meta: Mapping[str, JSON]) -> None:
        if "errors" not in self._parts:
            self._errors.unlink(missing_ok=True)
            self._errors.with_name(f"{self._errors.name}.part").unlink(missing_ok=True)
        cache = self._cache_path.expanduser().absolute()
        where: dict[str, JSON] = {"cwd": str(Path.cwd()), "cache_path": str(cache)}
        versions: dict[str, JSON] = {"dataflow": dataflow.__version__}
        write_atomic(self._meta, orjson.dumps({**where, **meta, "versions": versions}, option=orjson.OPT_INDENT_2))
        finish(self._parts[""][0], self._target)


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_stored(error, path) from error
