"""The values that a source yields: records of plain values and pictures, and records that cannot be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 64 << 20
"""Bytes that a picture in the store may have. A source checks the declared size before it reads so much."""

Shape = str | None | Sequence["Shape"] | Mapping[str, "Shape"]
"""The form of a record: a mapping for fields, a list with the form of its elements, a word ("text") for a value.

None: no value was there to look at, so a path may lead anywhere below it.
"""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A picture in memory.

    Args:
        data: contents of the picture's file.
        name: of the file; "": not known.
    """

    data: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Local:
    """A picture file on this machine.

    Args:
        path: absolute.
    """

    path: Path


@dataclass(frozen=True, slots=True)
class Remote:
    """A picture at an address, which the import fetches, many at once.

    Args:
        url: address with a scheme that `dataflow.ingest.fetchers` knows.
        tag: ETag or revision of the contents; a picture with another tag is fetched again. "": not known.
    """

    url: str
    tag: str = ""


Picture = Bytes | Local | Remote


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Args:
        place: where a person finds the record: "row 17 of train-00003.parquet", "photos/a.jpg".
        fields: values by name, nested as in the source. A picture is a `Picture`; also bytes, `{"bytes": ..., "path":
            ...}`, addresses and paths below `Source.home`, where `--columns` names the field as a picture.
    """

    place: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read, which becomes a failed row.

    Args:
        place: where a person finds the record.
        reason: one sentence, such as "the member declares 10 GB, more than 64 MiB".
    """

    place: str
    reason: str


Records = Iterator[Record | Broken]
