"""Writes the files of an import: `rows.jsonl`, and beside it the failed records and a meta file.

The files are written as `.part`, and get their names at the end, the rows last. If the contents are those of the files
that are there already, no file is touched.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson

from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.figures import read_figures
from dataflow.utils.files import rename_durably, sha256_of_file, write_atomic
from dataflow.utils.row_json import dump_row

_DIGEST = "rows_sha256"


class Output:
    """Rows and failed rows of an import that runs.

    Args:
        target: absolute path of the file of rows.
    """

    def __init__(self, target: Path) -> None:
        stem = target.with_suffix("")
        self.target = target
        self.errors = stem.with_name(f"{stem.name}.errors.jsonl")
        self.meta = stem.with_name(f"{stem.name}.meta.json")
        self._digest = hashlib.sha256()
        self._files: dict[Path, BinaryIO] = {}

    def check(self) -> None:
        """Check that the rows may be written to `target`.

        Raises:
            ConfigError: a file is there that no import made, or that was changed since it was imported.
        """
        if self.target.suffix != ".jsonl":
            raise ConfigError(f"--out {self.target}: name a file of rows that ends in .jsonl")
        known = _digest_in(self.meta)
        for path, is_ours in ((self.meta, known), (self.errors, known or _has_places(self.errors))):
            if path.exists() and not is_ours:
                raise ConfigError(
                    f"{path} is there already, and no import made it: name another --out than {self.target}"
                )
        if not self.target.exists():
            return
        if not known:
            raise ConfigError(f"{self.target} is there already, and no import made it: name another --out")
        if known != sha256_of_file(str(self.target)) and not _part_of(self.target).exists():
            raise ConfigError(
                f"{self.target} was changed since it was imported: name another --out, or remove it first"
            )

    def revision_of(self, source: str) -> str:
        """The revision of a source from which the rows at `target` come; "": there are no rows of this source."""
        figures = read_figures(self.meta)
        facts = figures.get("facts") if figures.get("source") == source and self.target.exists() else None
        return str(facts.get("revision", "")) if isinstance(facts, dict) else ""

    @contextmanager
    def opened(self) -> Iterator["Output"]:
        """Open the `.part` files and lock them.

        Raises:
            ConfigError: another import writes them.
            NotStored: the disk does not take them.
        """
        part = _part_of(self.target)
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            file = part.open("ab", buffering=1 << 18)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not part.exists() or not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                    raise BlockingIOError  # another import has just renamed this file
            except BlockingIOError:
                file.close()
                raise ConfigError(f"another import writes {part}: wait for it, or name another --out") from None
            file.truncate(0)
            _part_of(self.errors).unlink(missing_ok=True)
        except OSError as error:
            raise not_stored(error, part) from error
        self._files[self.target] = file
        try:
            yield self
        except BaseException:
            for path in self._files:  # beside a `.part`, `check` would take changed rows for those of a killed import
                _part_of(path).unlink(missing_ok=True)
            raise
        finally:
            for each in self._files.values():
                with suppress(OSError):
                    each.close()

    def write(self, row: Row) -> None:
        """Write a row.

        Raises:
            RowError: a value has no form in JSON.
            NotStored: the disk does not take it.
        """
        line = dump_row(row) + b"\n"
        self._digest.update(line)
        self._write(self.target, line)

    def fail(self, row: Row) -> None:
        """Write a failed record."""
        if self.errors not in self._files:
            self._files[self.errors] = _part_of(self.errors).open("wb", buffering=1 << 18)
        self._write(self.errors, dump_row(row) + b"\n")

    def commit(self, meta: Mapping[str, JSON]) -> bool:
        """Give all files their names; returns whether any has changed.

        Args:
            meta: contents of the meta file: the source, columns, counts and versions.

        Raises:
            NotStored: the disk does not take them.
        """
        about = orjson.dumps({**meta, _DIGEST: self._digest.hexdigest()}, option=orjson.OPT_INDENT_2)
        try:
            self._flush()
            if self._is_unchanged(about):
                for path in self._files:
                    _part_of(path).unlink()
                return False
            self._finish_errors()
            write_atomic(self.meta, about)
            rename_durably(_part_of(self.target), self.target)
        except OSError as error:
            raise not_stored(error, self.target) from error
        return True

    def give_up(self) -> None:
        """Give the failed records their name, where no row was made; rows of an earlier import stay."""
        try:
            self._flush()
            self._finish_errors()
            _part_of(self.target).unlink()
        except OSError as error:
            raise not_stored(error, self.errors) from error

    def _write(self, path: Path, line: bytes) -> None:
        try:
            self._files[path].write(line)
        except OSError as error:
            raise not_stored(error, path) from error

    def _flush(self) -> None:
        for file in self._files.values():
            file.flush()

    def _finish_errors(self) -> None:
        if self.errors in self._files:
            rename_durably(_part_of(self.errors), self.errors)
        else:
            self.errors.unlink(missing_ok=True)
            _part_of(self.errors).unlink(missing_ok=True)

    def _is_unchanged(self, about: bytes) -> bool:
        pairs = [(self.target, _part_of(self.target))]
        if self.errors in self._files:
            pairs.append((self.errors, _part_of(self.errors)))
        elif self.errors.exists():
            return False
        same = all(path.exists() and sha256_of_file(str(path)) == sha256_of_file(str(part)) for path, part in pairs)
        return same and self.meta.exists() and self.meta.read_bytes() == about


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _has_places(errors: Path) -> bool:
    """Whether a file has failed records of an import, which may have made no rows and no meta file."""
    if not errors.is_file():
        return False
    with errors.open("rb") as file:
        return b'"place":' in file.readline()


def _digest_in(meta: Path) -> str:
    return str(read_figures(meta).get(_DIGEST, ""))
