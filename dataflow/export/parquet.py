"""Tables of pictures as parquet files of at most 500 MB, in groups of rows of at most 32 MB.

Whoever streams a parquet file holds a whole group, so groups are small: those of 100 rows with pictures of 400 KB took
1.1 GB of memory at the reader's (November 2026). Pages end where the contents say so, not where a number of rows is
reached, so stores that keep equal chunks once (the hub's) store of a longer export only what is new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dataflow.core.records import Row
from dataflow.export.columns import Struct, arrow_type, feature_of, leaves, pyarrow

GROUP = 32_000_000
"""Most bytes of a group of rows, but for a single row that has more."""
FILE = 500_000_000
"""Most bytes of a file, but for a single group that has more."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table.

    Args:
        path: of the file.
        rows: in it.
        groups: of rows.
        size: in bytes.
    """

    path: Path
    rows: int
    groups: int
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    """What `load_dataset` can open.

    Args:
        name: of its configuration on the card.
        folder: of its files, `{split}-*.parquet`, relative to the export.
        columns: name → what it holds.
        files: split → its files, at least one.
    """

    name: str
    folder: str
    columns: Struct
    files: Mapping[str, Sequence[TableFile]]


def write_parquet(
    folder: Path, name: str, columns: Struct, rows: Iterable[Row], *, group: int = GROUP, file: int = FILE
) -> list[TableFile]:
    """Write rows as `{name}-00000-of-000NN.parquet`, as they come.

    Args:
        folder: is there.
        name: such as "train".
        columns: of all rows; a value that a row lacks is null.
        rows: pictures as `{"bytes": ..., "path": ...}`, see `Shape`.
        group: most bytes of a group.
        file: most bytes of a file.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    parts = []
    for number, groups in enumerate(_files(rows, group, file)):
        part = folder / f"{name}-{number:05d}.parquet"
        parts.append((part, *_write_file(part, columns, groups)))
    files = []
    for number, (part, count, many) in enumerate(parts):
        path = part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")
        files.append(TableFile(path, count, many, path.stat().st_size))
    return files


def _files(rows: Iterable[Row], group: int, file: int) -> Iterator[Iterator[list[Row]]]:
    """The groups of one file after another; each file's are to be taken before the next file is asked for."""
    waiting = _Groups(rows, group, file)
    while waiting.next:
        yield waiting.of_one_file()


class _Groups:
    """Rows in groups, of which the next one is known before it is asked for."""

    def __init__(self, rows: Iterable[Row], group: int, file: int) -> None:
        self._rows, self._group, self._file = iter(rows), group, file
        self._first: tuple[Row, int] | None = None
        self._size = 0
        self.next = self._take()

    def of_one_file(self) -> Iterator[list[Row]]:
        written = 0
        while self.next and (not written or written + self._size <= self._file):
            group, written = self.next, written + self._size
            self.next = []  # the rows are the taker's alone, to be let go
            yield group
            self.next = self._take()

    def _take(self) -> list[Row]:
        group, self._size = [], 0
        if self._first is not None:
            group.append(self._first[0])
            self._size, self._first = self._first[1], None
        for row in self._rows:
            size = _size_of(row)
            if group and self._size + size > self._group:
                self._first = (row, size)
                break
            group.append(row)
            self._size += size
        return group


def _size_of(value: object) -> int:
    """Bytes of the pictures and texts of a row."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size_of, value.values()))
    return sum(map(_size_of, value)) if isinstance(value, list | tuple) else 8


def _write_file(path: Path, columns: Struct, groups: Iterable[list[Row]]) -> tuple[int, int]:
    """Write one file; gives its rows and groups."""
    pa = pyarrow()
    features = {"info": {"features": {name: feature_of(each) for name, each in columns.fields.items()}}}
    fields = [pa.field(name, arrow_type(each)) for name, each in columns.fields.items()]
    schema = pa.schema(fields, {"huggingface": orjson.dumps(features)})
    pictures = {leaf for name, each in columns.fields.items() for leaf, kind in leaves(each, name) if kind == "bytes"}
    texts = [leaf for name, each in columns.fields.items() for leaf, _ in leaves(each, name) if leaf not in pictures]
    rows = many = 0
    with pa.parquet.ParquetWriter(
        path,
        schema,
        compression={**dict.fromkeys(texts, "zstd"), **dict.fromkeys(pictures, "none")},  # pictures are packed already
        use_dictionary=texts,
        write_statistics=texts,
        use_content_defined_chunking=True,
    ) as writer:
        for group in groups:
            rows, many = rows + len(group), many + 1
            batch = _batch(group, schema)
            group.clear()
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=batch.num_rows)
    return rows, many


def _batch(rows: list[Row], schema: Any) -> Any:
    pa = pyarrow()
    arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
