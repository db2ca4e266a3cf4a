"""What a source gives: records whose fields are plain values and pictures, and records that cannot be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 64 << 20
"""Of a picture that goes into the store; a source looks at the size that is declared before it reads that much."""

Shape = str | None | Sequence["Shape"] | Mapping[str, "Shape"]
"""What a record looks like: fields by name, a list by what it holds, a word for a value ("text", "picture").
None: there was none to look at, so a path may lead on."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A picture in hand.

    Args:
        data: the whole file.
        name: that it had; "": none.
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
    """A picture at an address, which the import fetches with others at the same time.

    Args:
        url: with its scheme; `dataflow.ingest.fetchers` says who fetches it.
        tag: of the contents, where the server tells (an ETag, a revision): another tag is fetched again.
    """

    url: str
    tag: str = ""


Picture = Bytes | Local | Remote


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Args:
        place: what a person would look up: "row 17 of train-00003.parquet", "photos/a.jpg".
        fields: values by name, as deep as they lie. A picture is a `Picture`; bytes, `{"bytes": ..., "path": ...}`,
            addresses and paths below `Source.home` become one where `--columns` says that they are pictures.
    """

    place: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read: a failed row.

    Args:
        place: as of a record.
        reason: one sentence, such as "the member declares 10 GB, more than 64 MiB".
    """

    place: str
    reason: str


Records = Iterator[Record | Broken]
