"""The rows of shards in the order of one run, streamed: each shard's stand in it, and origins say how they interleave.

A step whose origins nobody knows, since an operator written by hand made another number of rows, has its rows shard by
shard, and so have the steps after it.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, repeat
from pathlib import Path

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.shards.parts import Part
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.rowfiles import Raw, raw_rows, read_rows
from dataflow.utils.shards import ORIGIN, read_origins
from dataflow.utils.step_files import StepFile

_LINE_OF_ROW_0 = {"csv": 2}  # below the line of heads


def _origins(part: Part, name: str) -> Path:
    return CacheFolder(part.path).origins(part.path / name)


def in_order(parts: Sequence[Part], name: str) -> Iterator[Raw]:
    """The rows of all shards' files of this name.

    Raises:
        ConfigError: a file and its origins do not belong together.
    """
    files = [(part, part.path / name) for part in parts if (part.path / name).exists()]
    if not all(_origins(part, name).exists() for part, _ in files):
        yield from chain.from_iterable(raw_rows(path) for _, path in files)
        return
    pairs = [_paired(_origins(part, name), path) for part, path in files]
    yield from (raw for _, raw in merge(*pairs, key=lambda pair: pair[0]))


def _paired(origins: Path, path: Path) -> Iterator[tuple[int, Raw]]:
    try:
        yield from zip(read_origins(origins), raw_rows(path), strict=True)
    except ValueError:
        raise ConfigError(
            f"{path} is not the file that its shard wrote: {origins} knows another number of rows. Run the shard again"
        ) from None


def failures_in_order(parts: Sequence[Part], step: StepFile, source: Path) -> Iterator[Row]:
    """The lines of all shards' errors files, as one run writes them.

    Args:
        parts: the shards.
        step: the step, of any of them.
        source: the merged file of the step before.
    """
    name = f"{step.name}.errors.jsonl"
    if step.number == 1:
        lines = [_read(part.path / name) for part in parts]
        for row in merge(*lines, key=lambda row: int(row[ORIGIN])):
            row["row"] = row.pop(ORIGIN)
            yield row
        return
    waiting = [_Ahead(_read(part.path / name)) for part in parts]
    if not any(each.row for each in waiting):
        return
    kind = source.suffix.lstrip(".")
    taken = [0] * len(parts)
    for number, at in enumerate(_shards_of_rows(parts, source.name)):
        for row in waiting[at].of(taken[at]):
            yield {**row, "source": str(source), "line": number + _LINE_OF_ROW_0.get(kind, 1), "row": number}
        taken[at] += 1


class _Ahead:
    """The lines of one errors file, of which the next is known."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.row = next(rows, None)

    def of(self, number: int) -> Iterator[Row]:
        """Those of this row of the source; the rows are asked for in order."""
        while self.row is not None and int(self.row["row"]) == number:
            yield self.row
            self.row = next(self._rows, None)


def _shards_of_rows(parts: Sequence[Part], name: str) -> Iterable[int]:
    """Of each row of a merged file, which shard it is of."""
    if all(_origins(part, name).exists() for part in parts):
        numbered = [zip(read_origins(_origins(part, name)), repeat(at)) for at, part in enumerate(parts)]
        return (at for _, at in merge(*numbered))
    return (at for at, part in enumerate(parts) for _ in raw_rows(part.path / name))


def _read(path: Path) -> Iterator[Row]:
    return (row for _, row in read_rows(path)) if path.exists() else iter(())
