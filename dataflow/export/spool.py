"""Keeps records on the disk between the checks and the formats, so that any number of rows takes little memory."""

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
    """Names the records of one split that have one number of input pictures, and all a mask or all none."""

    split: str
    inputs: int
    masked: bool = False


def part_of(record: Record) -> Part:
    """The part to which a record belongs."""
    return Part(record.split, len(record.images), record.mask is not None)


class Spool:
    """Writes records into a file, and reads those again that go out.

    Args:
        path: of the file, which the export removes with its other working files.
        splits: names of all splits, "train" first.
    """

    def __init__(self, path: Path, splits: Sequence[str]) -> None:
        self._path = path
        self._splits = tuple(splits)
        self._file: BinaryIO | None = None
        self.split_numbers = bytearray()
        """For each record in order, the index of its split in `splits`, or LEFT_OUT."""

    def add(self, record: Record) -> None:
        """Write one more record; it belongs to the first split until `split_numbers` says another one."""
        if self._file is None:
            self._file = self._path.open("wb", buffering=1 << 18)
        self._file.write(_written(record) + b"\n")
        self.split_numbers.append(0)

    def close(self) -> None:
        """Close the file, after all records."""
        if self._file is not None:
            self._file.close()

    @property
    def counts(self) -> dict[str, int]:
        """Split → records that go out, with 0 for a split that got none; empty if no record goes out."""
        found = {name: self.split_numbers.count(number) for number, name in enumerate(self._splits)}
        return found if any(found.values()) else {}

    def all(self) -> Iterator[tuple[int, Record]]:
        """Every record with its number from 0, including records that were left out later."""
        if not self.split_numbers:
            return
        with self._path.open("rb", buffering=1 << 20) as file:
            for number, line in enumerate(file):
                yield number, read_record(cast("dict[str, Any]", parse(line)))

    def __iter__(self) -> Iterator[Record]:
        for number, record in self.all():
            if (number := self.split_numbers[number]) != LEFT_OUT:
                yield replace(record, split=self._splits[number]) if number else record


def _written(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # a path that is not UTF-8
        return dump_value(asdict(record))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which records a format gets, and in what form.

    Args:
        takes: whether the format takes a record; without `turns`, it is asked for each turn of a conversation.
        turns: conversations stay whole; false: each turn is a record.
        captions: most captions of a record; None: all.
        part: only records of this part; None: of all parts.
    """

    takes: Callable[[Record], bool]
    turns: bool = False
    captions: int | None = None
    part: Part | None = None


class Records:
    """The records that one format gets; every iteration reads them from the disk again, in the order of the rows.

    Args:
        spool: all records that go out.
        rule: which of them the format gets, and in what form.
        counts: part → records; None: they are counted when they are first asked for.
    """

    def __init__(self, spool: Spool, rule: Rule, counts: Counter[Part] | None = None) -> None:
        self._spool, self._rule, self._counts = spool, rule, counts

    def __iter__(self) -> Iterator[Record]:
        rule = self._rule
        for record in self._spool:
            for edit in (record,) if rule.turns else record.apart():
                if rule.part not in (None, part_of(edit)) or not rule.takes(edit):
                    continue
                if rule.captions is not None and len(edit.captions) > rule.captions:
                    edit = replace(edit, captions=edit.captions[: rule.captions])
                yield edit

    def __len__(self) -> int:
        return self.counts.total()

    @property
    def counts(self) -> Counter[Part]:
        """Part → records."""
        if self._counts is None:
            self._counts = Counter(map(part_of, self))
        return self._counts

    def parts(self) -> list[Part]:
        """The parts that have records: "train" first, then by split, by number of inputs, and without masks first."""
        return sorted(self.counts, key=lambda part: (part.split != "train", part))

    def of(self, part: Part) -> "Records":
        """The records of one part."""
        return Records(self._spool, replace(self._rule, part=part))

    def split(self, name: str) -> Iterator[Record]:
        """The records of one split, whatever their number of inputs."""
        return (record for record in self if record.split == name)

    @property
    def splits(self) -> list[str]:
        """The names of the splits that have records, "train" first."""
        return list(dict.fromkeys(part.split for part in self.parts()))
