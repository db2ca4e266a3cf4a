"""Reads and writes the rows of a shard, and checks that the shards of a cache path fit together.

The rows of a shard stand in its files in the order of the source, but these files do not say which rows of other
shards belong between them. So beside each file of rows a shard writes a file of origins: for each row the index, from
0, of the row of the first step's source that it comes of, as eight bytes, lowest first.
"""

import os
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self
from zlib import crc32

from dataflow.core.records import JSON, Row
from dataflow.core.shard import VARIABLE, Shard, read_shard, shard_of_folder
from dataflow.errors import ConfigError
from dataflow.utils.cache_folder import CacheFolder, root_of, shards_in
from dataflow.utils.figures import read_figures
from dataflow.utils.files import write_atomic
from dataflow.utils.row_json import load_row
from dataflow.utils.rowfiles import Raw, RowCursor
from dataflow.utils.step_writer import ERRORS, SideFile, StepWriter

ORIGIN_BYTES = 8
ORIGIN = "origin"
"""Field of the errors file of a shard's first step: the index of the row among the rows of all shards."""


def shard_wanted(given: Shard | str | None) -> Shard | None:
    """The shard that a storage takes; None for all rows.

    Args:
        given: a shard, a text such as "3/16", or None for the text in the environment's `DF_SHARD`.

    Raises:
        ConfigError: the text names no shard.
    """
    if isinstance(given, Shard):
        return given
    text = os.environ.get(VARIABLE, "").strip() or None if given is None else given
    return None if text is None else read_shard(text, os.environ)  # "" may be a script's variable that is not set


def are_merged(cache_path: Path) -> bool:
    """Whether all shards of a cache path were merged into it and none was run since; True if it has no shards."""
    shards = shards_in(cache_path)
    merged = read_figures(CacheFolder(cache_path).merged).get("journals", {}) if shards else {}
    return all(merged.get(path.name) == journal_size(path) for _, path in shards)


def journal_size(cache_path: Path) -> int:
    """The size of a cache directory's journal in bytes, which each run increases; 0 if it has no journal."""
    try:
        return CacheFolder(cache_path).journal.stat().st_size
    except FileNotFoundError:
        return 0


def check_merged(cache_path: Path, why: str = "and this reads what they come to together") -> None:
    """Check that the shards of a cache path are merged, if it has any.

    Args:
        cache_path: the directory above the shards.
        why: why they must be, for the error.

    Raises:
        ConfigError: they are not merged, or a shard was run since.
    """
    if not are_merged(cache_path):
        since = " since some were run again" if CacheFolder(cache_path).merged.exists() else ""
        raise ConfigError(
            f"the shards of {cache_path} are not merged{since}, {why}: run `dataflowmm merge {cache_path}` first, or"
            f" choose another cache_path"
        )


def check_beside(cache_path: Path, shard: Shard | None, first_entry: Path) -> None:
    """Check, before a step begins, that the shards of its cache path fit the run.

    Args:
        cache_path: of the step; for a shard, the shard's own.
        shard: the shard that the step takes; None: the step takes all rows.
        first_entry: path of the rows of all shards.

    Raises:
        ConfigError: the shards there are of another count, which divides the rows in another way; or the run takes all
            rows although shards are not merged, so that their rows would be asked and paid again; or the rows are a
            shard's own.
    """
    above = first_entry.absolute().parents
    given = cache_path if shard is None else cache_path.parent
    if root_of(given) != given and given.absolute() not in above:
        raise ConfigError(
            f"{given} is the cache of {shard_of_folder(given.name)}, and all rows would be asked for in it: give"
            f" --shard {shard_of_folder(given.name)} and the cache_path {given.parent}"
        )
    if shard is None:
        check_merged(cache_path, "and a run without a shard would ask all of it again")
        return
    if any(shard_of_folder(folder.name) is not None and CacheFolder(folder).path.is_dir() for folder in above):
        raise ConfigError(
            f"{first_entry} lies in the cache of a shard, and {shard} of it would be a part of a part: run all steps"
            f" with one FileStorage, or merge the shards and give the merged file"
        )
    root = cache_path.parent
    strangers = sorted({existing.count for existing, _ in shards_in(root)} - {shard.count})
    if strangers:
        raise ConfigError(
            f"{root} has shards of {strangers[0]}, and {shard} would split the rows otherwise: give one of"
            f" 0/{strangers[0]} to {strangers[0] - 1}/{strangers[0]}, or choose another cache_path"
        )


class ShardCursor(RowCursor):
    """Reads the rows of one shard; each row keeps its line number in the file.

    Args:
        path: of the first step's source.
        limit: how many rows from the start of the file all shards divide; None: all rows.
        shard: the shard.
        columns: by which rows are divided; none: by all of the row.

    Attributes:
        origins: for each row that was read, its index in the file, from 0.

    Raises:
        InputError: as `RowCursor`.
    """

    def __init__(self, path: Path, limit: int | None, *, shard: Shard, columns: Sequence[str]) -> None:
        super().__init__(path, limit)
        self.shard, self.columns, self.limit = shard, tuple(columns), limit
        self.origins = array("Q")
        self._crc = 0  # crc32 over the rows of all shards
        self._raw = self._own(self._raw)

    def _own(self, raw_rows: Iterator[tuple[int, Raw]]) -> Iterator[tuple[int, Raw]]:
        """The rows of this shard. Every row is parsed and enters the crc, by which the merge compares the shards."""
        for origin, (number, raw) in enumerate(raw_rows):
            row = load_row(raw, self.path, number) if isinstance(raw, bytes) else raw
            self._crc = crc32(raw if isinstance(raw, bytes) else repr(raw).encode(), self._crc)
            self.names.update(row)
            self.whole = origin + 1
            if self.shard.has(row, self.columns):
                self.origins.append(origin)
                yield number, row

    def facts(self) -> dict[str, JSON]:
        """What the meta file records of the shard; call it once all rows were read.

        All fields but `index` and `rows` are equal in all shards of one run.
        """
        common: dict[str, JSON] = {"of": self.shard.count, "columns": [*self.columns], "limit": self.limit}
        common |= {"rows_of_all": self.whole, "source_crc": self._crc}
        return {"index": self.shard.index, "rows": len(self.origins), **common}


class ShardWriter(StepWriter):
    """Writes a shard's files, and beside each of them the origins of its rows.

    Args:
        target, meta, root, side, sides: as `StepWriter` takes them.
        cache_path: of the shard.
        before: path of the file of the step before; None for the first step.

    Attributes:
        by_hand: whether the rows are written by an operator that is written by hand. They are taken for the rows of the
            source, one for one, if there are as many; otherwise their origins are not known.
    """

    def __init__(
        self,
        target: Path,
        meta: Path,
        root: Path,
        side: SideFile,
        sides: Sequence[str] = (),
        *,
        cache_path: Path,
        before: Path | None,
    ) -> None:
        super().__init__(target, meta, root, side, sides)
        self._folder, self._before = CacheFolder(cache_path), before
        self._row, self._rows = 0, {name: array("Q") for name in ("", *sides)}
        self._source: RowCursor | None = None
        self.by_hand = False

    def __enter__(self) -> Self:
        self._folder.all_origins.mkdir(parents=True, exist_ok=True)
        return super().__enter__()

    def follow(self, source: object) -> None:
        """Name the cursor that the rows come of."""
        self._source = source if isinstance(source, ShardCursor) else None

    def begin_row(self, index: int) -> None:
        """Say that the rows written next come of the source row of this index."""
        self._row = index

    def write(self, row: Row) -> None:
        """Write one row of the step; see `StepWriter.write`."""
        super().write(row)
        self._rows[""].append(self._row)

    def side(self, name: str, row: Row) -> None:
        """Write one row of a side output; a failed row of the first step gets its index in the rows of all shards."""
        if name == ERRORS and isinstance(self._source, ShardCursor):
            row = {**row, ORIGIN: self._source.origins[self._row]}
        super().side(name, row)
        self._rows.setdefault(name, array("Q")).append(self._row)

    def commit(self, meta: Mapping[str, JSON]) -> None:
        """Write the origins, then do as `StepWriter.commit`: a complete file of rows always has its origins."""
        facts: dict[str, JSON] = {}
        if isinstance(self._source, ShardCursor):
            while self._source.take(4096):  # an operator written by hand may not have read all rows
                pass
            facts["shard"] = self._source.facts()
        origins = self._origins_of_source()
        known = origins is not None and (not self.by_hand or len(origins) == len(self._rows[""]))
        for name, rows in self._rows.items():
            path = self._folder.origins(self._path(name))
            if known and origins is not None:
                write_atomic(path, _as_bytes(array("Q", map(origins.__getitem__, rows))))
            else:
                path.unlink(missing_ok=True)
        super().commit({**meta, **facts})

    def _origins_of_source(self) -> Sequence[int] | None:
        """The origins of the rows that the step reads; None if they are not known."""
        if self._before is None:
            return self._source.origins if isinstance(self._source, ShardCursor) else None
        path = self._folder.origins(self._before)
        return _swapped(path.read_bytes()) if path.exists() else None


def read_origins(path: Path, *, chunk: int = 1 << 13) -> Iterator[int]:
    """Iterate over a file of origins: for each row the index of its source row, from 0.

    Args:
        path: of the file of origins.
        chunk: how many origins are read at once.
    """
    with path.open("rb") as file:
        while part := file.read(chunk * ORIGIN_BYTES):
            yield from _swapped(part)


def _as_bytes(numbers: "array[int]") -> bytes:
    return _swapped(numbers.tobytes()).tobytes()


def _swapped(data: bytes) -> "array[int]":
    """Convert numbers between the byte order of files, lowest byte first, and that of this machine; its own inverse."""
    numbers = array("Q", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
