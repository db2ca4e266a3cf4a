"""Records on the disk between the checks and the formats, so that any number of rows takes little memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

from dataflow.export.records import Record, read_record
from dataflow.utils.row_json import dump_value, parse

LEFT_OUT = 255


class Part(NamedTuple):
    """The records of one split that have one number of input pictures, and a mask or none."""

    split: str
    inputs: int
    masked: bool = False


def part_of(record: Record) -> Part:
    """The part that a record belongs to."""
    return Part(record.split, len(record.images), record.mask is not None)


class Spool:
    """Writes records, and reads those again that go out.

    Args:
        path: of its file, which is removed with the export's other working files.
        splits: their names, "train" first.
    """

    def __init__(self, path: Path, splits: Sequence[str]) -> None:
        self._path = path
        self._splits = tuple(splits)
        self._file: BinaryIO | None = None
        self.fates = bytearray()
        """For each record in order: the number of its split, or LEFT_OUT."""

    def add(self, record: Record) -> None:
        """One more record; it goes to the first split until it is told otherwise."""
        if self._file is None:
            self._file = self._path.open("wb", buffering=1 << 18)
        self._file.write(_written(record) + b"\n")
        self.fates.append(0)

    def close(self) -> None:
        """All records are there."""
        if self._file is not None:
            self._file.close()

    @property
    def counts(self) -> dict[str, int]:
        """Split → records that go out, also of a split that was asked for and got none; empty: none goes out at all."""
        found = {name: self.fates.count(fate) for fate, name in enumerate(self._splits)}
        return found if any(found.values()) else {}

    def all(self) -> Iterator[tuple[int, Record]]:
        """Every record with its number from 0, those that were left out since too."""
        if not self.fates:
            return
        with self._path.open("rb", buffering=1 << 20) as file:
            for number, line in enumerate(file):
                yield number, read_record(cast("dict[str, Any]", parse(line)))

    def __iter__(self) -> Iterator[Record]:
        for number, record in self.all():
            if (fate := self.fates[number]) != LEFT_OUT:
                yield replace(record, split=self._splits[fate]) if fate else record


def _written(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # a path that is not UTF-8
        return dump_value(asdict(record))


@dataclass(frozen=True, slots=True)
class Rule:
    """What of the spooled records somebody wants.

    Args:
        takes: whether a record is wanted, after it was taken apart.
        turns: conversations stay whole.
        captions: at most so many; None: all.
        part: only of this part; None: of all.
    """

    takes: Callable[[Record], bool]
    turns: bool = False
    captions: int | None = None
    part: Part | None = None


class Records:
    """Records as one format takes them; every iteration reads them from the disk again, in the order of the rows.

    Args:
        spool: all that go out.
        rule: which of them, and in what form.
        counts: how many there are of each part, where somebody has counted.
    """

    def __init__(self, spool: Spool, rule: Rule, counts: Counter[Part] | None = None) -> None:
        self._spool, self._rule, self._counts = spool, rule, counts

    def __iter__(self) -> Iterator[Record]:
        rule = self._rule
        for record in self._spool:
            for each in (record,) if rule.turns else record.apart():
                if rule.part not in (None, part_of(each)) or not rule.takes(each):
                    continue
                if rule.captions is not None and len(each.captions) > rule.captions:
                    each = replace(each, captions=each.captions[: rule.captions])
                yield each

    def __len__(self) -> int:
        return self.counts.total()

    @property
    def counts(self) -> Counter[Part]:
        """How many there are of each part."""
        if self._counts is None:
            self._counts = Counter(map(part_of, self))
        return self._counts

    def parts(self) -> list[Part]:
        """Those parts of which there are records; train first, then fewer inputs, then those without masks."""
        return sorted(self.counts, key=lambda part: (part.split != "train", part))

    def of(self, part: Part) -> "Records":
        """Those of one part."""
        return Records(self._spool, replace(self._rule, part=part))

    def split(self, name: str) -> Iterator[Record]:
        """Those of one split, whatever their number of inputs."""
        return (each for each in self if each.split == name)

    @property
    def splits(self) -> list[str]:
        """The names of those splits of which there are records; train first."""
        return list(dict.fromkeys(part.split for part in self.parts()))
