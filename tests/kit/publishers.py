"""Pictures and texts that readers are known to lose, and files of them as publishers write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.core.records import Row
from tests.kit.awkward import WORDS, awkward_cache

HF_IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


@dataclass(frozen=True, slots=True)
class Pair:
    """A source picture, the instruction and the result; pictures are the contents of their files."""

    source: bytes
    words: str
    result: bytes


def pairs(folder: Path) -> list[Pair]:
    """Eight pairs: EXIF, alpha, grey, CMYK, 16 bit, a colour profile, a palette, WEBP; made in a folder."""
    _, expected = awkward_cache(folder)
    named = ("turned.jpg", "transparent.png", "grey.png", "cmyk.jpg", "deep.png", "profiled.png", "plain.webp")
    sources = [folder / "pictures" / name for name in named]
    sources.insert(6, folder / "pictures" / "图片 夹" / "调色 板's.png")
    results = [folder / "pictures" / f"edit_{number}.png" for number in range(len(expected))]
    return [
        Pair(source.read_bytes(), words, result.read_bytes())
        for source, words, result in zip(sources, WORDS, results, strict=True)
    ]


def hf_picture(data: bytes | None, path: str | None = None) -> Row:
    """A picture as `datasets` writes it."""
    return {"bytes": data, "path": path}


def write_parquet(path: Path, columns: Mapping[str, Any], *, group: int = 100) -> Path:
    """A parquet file; `group` rows in each group, as `datasets` writes pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, row_group_size=group)
    return path


def rows_of(path: Path) -> list[Row]:
    """The rows of a jsonl file; none if it is not there."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def bytes_in(paths: Sequence[str]) -> list[bytes]:
    """The contents of files."""
    return [Path(path).read_bytes() for path in paths]


def tree_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its inode and time: equal where none was written."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
