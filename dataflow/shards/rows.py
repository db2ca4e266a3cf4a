"""Streams the rows of all shards in the order in which one run writes them.

Each shard's rows are in that order already. The shard's file of origins has for each row the number of the first step's
row that it came from, so the shards are merged by these numbers. A step has no origins where an operator written by
hand made another number of rows: that step, and the steps after it, have their rows shard by shard.
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

_LINE_OF_ROW_0 = {"csv": 2}  # line 1 of a csv has the names of the columns


def _origins(part: Part, name: str) -> Path:
    return CacheFolder(part.path).origins(part.path / name)


def in_order(parts: Sequence[Part], name: str) -> Iterator[Raw]:
    """The rows of the shards' files of one name, in the order of one run.

    Args:
        parts: the shards.
        name: of a step file or side output.

    Raises:
        ConfigError: a file and its origins have different numbers of rows.
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
    """The lines of the shards' errors files, numbered and ordered as one run writes them.

    Args:
        parts: the shards.
        step: the step's file in any shard.
        source: the merged file of the step before.
    """
    name = f"{step.name}.errors.jsonl"
    if step.number == 1:
        lines = [_read(part.path / name) for part in parts]
        for row in merge(*lines, key=lambda row: int(row[ORIGIN])):
            row["row"] = row.pop(ORIGIN)
            yield row
        return
    errors_of = [_NextLine(_read(part.path / name)) for part in parts]
    if not any(each.row for each in errors_of):
        return
    kind = source.suffix.lstrip(".")
    taken = [0] * len(parts)
    for number, at in enumerate(_shards_of_rows(parts, source.name)):
        for row in errors_of[at].of_row(taken[at]):
            yield {**row, "source": str(source), "line": number + _LINE_OF_ROW_0.get(kind, 1), "row": number}
        taken[at] += 1


class _NextLine:
    """The lines of one errors file, with a look at the next line.

    Attributes:
        row: the next line; None: there is none.
    """

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.row = next(rows, None)

    def of_row(self, number: int) -> Iterator[Row]:
        """The lines of one row of the shard's source; call it for ascending numbers."""
        while self.row is not None and int(self.row["row"]) == number:
            yield self.row
            self.row = next(self._rows, None)


def _shards_of_rows(parts: Sequence[Part], name: str) -> Iterable[int]:
    """For each row of a merged file, in order, the place of its shard in `parts`."""
    if all(_origins(part, name).exists() for part in parts):
        numbered = [zip(read_origins(_origins(part, name)), repeat(at)) for at, part in enumerate(parts)]
        return (at for _, at in merge(*numbered))
    return (at for at, part in enumerate(parts) for _ in raw_rows(part.path / name))


def _read(path: Path) -> Iterator[Row]:
    return (row for _, row in read_rows(path)) if path.exists() else iter(())
