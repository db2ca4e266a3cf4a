"""What a shard does otherwise than a whole run: which rows it takes, and what it notes of them for the merge.

A shard's rows stand in its files in the order of the source, but which rows of other shards stand between them, no file
of rows says. So beside each file lies one of its rows' origins: of each row, the number of the row of the first step's
source that it comes of, from 0, as eight bytes.
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
"""Field of a line of errors of a shard's first step, where a whole run's says only `row`."""


def shard_wanted(given: Shard | str | None) -> Shard | None:
    """The shard that a storage is to take, as given or by `DF_SHARD`; None: all rows.

    Raises:
        ConfigError: it is none.
    """
    text = os.environ.get(VARIABLE, "") if given is None else given
    if isinstance(text, str):
        return read_shard(text, os.environ) if text.strip() else None
    return text


def are_merged(cache_path: Path) -> bool:
    """Whether the shards of a cache path, if it has any, were merged into it, and not run since."""
    shards = shards_in(cache_path)
    merged = read_figures(CacheFolder(cache_path).merged).get("journals", {}) if shards else {}
    return all(merged.get(path.name) == journal_size(path) for _, path in shards)


def journal_size(cache_path: Path) -> int:
    """Bytes of its journal, which each run makes more; 0: it has none."""
    try:
        return CacheFolder(cache_path).journal.stat().st_size
    except FileNotFoundError:
        return 0


def check_merged(cache_path: Path, why: str = "and this reads what they come to together") -> None:
    """Look whether the shards of a cache path, if it has any, are merged.

    Raises:
        ConfigError: they are not.
    """
    if not are_merged(cache_path):
        since = " since some were run again" if CacheFolder(cache_path).merged.exists() else ""
        raise ConfigError(
            f"the shards of {cache_path} are not merged{since}, {why}: run `dataflowmm merge {cache_path}` first, or"
            f" choose another cache_path"
        )


def check_beside(cache_path: Path, shard: Shard | None, first_entry: Path) -> None:
    """Look at the other shards of a cache path before a step begins.

    Args:
        cache_path: of the step; a shard's own.
        shard: that the step takes.
        first_entry: the rows of all shards.

    Raises:
        ConfigError: they are of another count, which splits the rows otherwise; or they are not merged, and all rows
            would be asked for, and paid, again.
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
    if any(shard_of_folder(each.name) is not None and CacheFolder(each).path.is_dir() for each in above):
        raise ConfigError(
            f"{first_entry} lies in the cache of a shard, and {shard} of it would be a part of a part: run all steps"
            f" with one FileStorage, or merge the shards and give the merged file"
        )
    root = cache_path.parent
    strangers = sorted({other.count for other, _ in shards_in(root)} - {shard.count})
    if strangers:
        raise ConfigError(
            f"{root} has shards of {strangers[0]}, and {shard} would split the rows otherwise: give one of"
            f" 0/{strangers[0]} to {strangers[0] - 1}/{strangers[0]}, or choose another cache_path"
        )


class ShardCursor(RowCursor):
    """Reads the rows of one shard; each keeps its line number in the file.

    Args:
        path: of the first step's source.
        limit: rows after so many are in no shard.
        shard: whose rows these are.
        columns: by which rows are split; none: by all of the row.

    Attributes:
        origins: the number, from 0, of each row that was read.

    Raises:
        InputError: as `RowCursor`.
    """

    def __init__(self, path: Path, limit: int | None, *, shard: Shard, columns: Sequence[str]) -> None:
        super().__init__(path, limit)
        self.shard, self.columns, self.limit = shard, tuple(columns), limit
        self.origins = array("Q")
        self._crc = 0  # of all rows
        self._raw = self._own(self._raw)

    def _own(self, raw_rows: Iterator[tuple[int, Raw]]) -> Iterator[tuple[int, Raw]]:
        for origin, (number, raw) in enumerate(raw_rows):
            row = load_row(raw, self.path, number) if isinstance(raw, bytes) else raw
            self._crc = crc32(raw if isinstance(raw, bytes) else repr(raw).encode(), self._crc)
            self.names.update(row)
            self.whole = origin + 1
            if self.shard.has(row, self.columns):
                self.origins.append(origin)
                yield number, row

    def facts(self) -> dict[str, JSON]:
        """What all shards of one run have in common, and how many rows are this one's; once all were read."""
        common: dict[str, JSON] = {"of": self.shard.count, "columns": [*self.columns], "limit": self.limit}
        common |= {"rows_of_all": self.whole, "source_crc": self._crc}
        return {"index": self.shard.index, "rows": len(self.origins), **common}


class ShardWriter(StepWriter):
    """Writes a shard's files, and beside each the origins of its rows.

    Args:
        target, meta, root, side, sides: as `StepWriter` takes them.
        cache_path: of the shard.
        before: the file of the step before; None for the first.

    Attributes:
        by_hand: the rows are the source's, one for one, if there are as many; else nobody knows their origins.
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
        """Rows come of what this reads."""
        self._source = source if isinstance(source, ShardCursor) else None

    def begin_row(self, index: int) -> None:
        """What is written next comes of this row of the source."""
        self._row = index

    def write(self, row: Row) -> None:
        """One row of the step."""
        super().write(row)
        self._rows[""].append(self._row)

    def side(self, name: str, row: Row) -> None:
        """One row of a side output; a failed row of the first step's source has its number among those of all, too."""
        if name == ERRORS and isinstance(self._source, ShardCursor):
            row = {**row, ORIGIN: self._source.origins[self._row]}
        super().side(name, row)
        self._rows.setdefault(name, array("Q")).append(self._row)

    def commit(self, meta: Mapping[str, JSON]) -> None:
        """As `StepWriter.commit`; the origins are there before the rows are."""
        facts: dict[str, JSON] = {}
        if isinstance(self._source, ShardCursor):
            while self._source.take(4096):  # what was written by hand may not have read it all
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
        if self._before is None:
            return self._source.origins if isinstance(self._source, ShardCursor) else None
        path = self._folder.origins(self._before)
        return _swapped(path.read_bytes()) if path.exists() else None


def read_origins(path: Path, *, chunk: int = 1 << 13) -> Iterator[int]:
    """The origins of a file's rows, streamed."""
    with path.open("rb") as file:
        while part := file.read(chunk * ORIGIN_BYTES):
            yield from _swapped(part)


def _as_bytes(numbers: "array[int]") -> bytes:
    return _swapped(numbers.tobytes()).tobytes()


def _swapped(data: bytes) -> "array[int]":
    """Numbers between this machine's order of bytes and the files', which have the lowest first."""
    numbers = array("Q", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
