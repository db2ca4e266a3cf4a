"""Writes tables of pictures as parquet files of at most 100 MB, in groups of rows of at most 8 MB.

A reader that streams a table holds some groups in memory, and `datasets` holds all that it has read of a file until the
file ends: reading files of 500 MB took 670 MB of memory more than reading nothing, these files 180 MB (November 2026,
benchmarks/README.md). Pages end where their content says so, not after a number of rows. So a store that keeps equal
chunks once, such as the hub's, stores only the new rows of a longer export.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import orjson

from dataflow.core.records import Row
from dataflow.export.columns import ListOf, Shape, Struct, arrow_type, feature_of, leaves, pyarrow

GROUP = 8_000_000
"""Most bytes of a group of rows, but for a single row that has more."""
FILE = 100_000_000
"""Most bytes of a file, but for a single group that has more."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table.

    Args:
        path: of the file.
        rows: number of rows.
        groups: number of groups of rows.
        size: in bytes.
    """

    path: Path
    rows: int
    groups: int
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table that `load_dataset` can open.

    Args:
        name: of the table's configuration on the card.
        folder: folder of its files `{split}-*.parquet`, relative to the export.
        columns: column → its shape.
        files: split → its files, at least one.
    """

    name: str
    folder: str
    columns: Struct
    files: Mapping[str, Sequence[TableFile]]


def write_parquet(
    folder: Path, name: str, columns: Struct, rows: Iterable[Row], *, group: int = GROUP, file: int = FILE
) -> list[TableFile]:
    """Write rows, one after another, into files `{name}-00000-of-000NN.parquet`.

    Args:
        folder: an existing folder.
        name: of the files, such as "train".
        columns: column → its shape; a value that a row lacks is null.
        rows: column → value; a picture is `{"bytes": ..., "path": ...}`, see `Shape`.
        group: most bytes of a group of rows.
        file: most bytes of a file.

    Returns:
        The files, in order; none if there are no rows.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    parts = []
    for number, groups in enumerate(_files(rows, group, file)):
        part = folder / f"{name}-{number:05d}.parquet"
        parts.append((part, *_write_file(part, columns, groups)))
    files = []
    for number, (part, count, group_count) in enumerate(parts):
        path = part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")
        files.append(TableFile(path, count, group_count, path.stat().st_size))
    return files


def _files(rows: Iterable[Row], group: int, file: int) -> Iterator[Iterator[list[Row]]]:
    """For each file, its groups of rows; all groups of a file must be taken before the next file is."""
    waiting = _Groups(rows, group, file)
    while waiting.next:
        yield waiting.of_one_file()


class _Groups:
    """Groups of rows, read one ahead, so that it is known whether the next group still has room in the file."""

    def __init__(self, rows: Iterable[Row], group: int, file: int) -> None:
        self._rows, self._group, self._file = iter(rows), group, file
        self._held_back: tuple[Row, int] | None = None
        self._size = 0
        self.next = self._take()

    def of_one_file(self) -> Iterator[list[Row]]:
        written = 0
        while self.next and (not written or written + self._size <= self._file):
            group, written = self.next, written + self._size
            self.next = []  # only the writer holds the rows now, and frees their memory before the next group is read
            yield group
            self.next = self._take()

    def _take(self) -> list[Row]:
        group, self._size = [], 0
        if self._held_back is not None:
            group.append(self._held_back[0])
            self._size, self._held_back = self._held_back[1], None
        for row in self._rows:
            size = _size_of(row)
            if group and self._size + size > self._group:
                self._held_back = (row, size)
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
    """Write one file; returns its numbers of rows and of groups."""
    pa = pyarrow()
    features = {"info": {"features": {name: feature_of(shape) for name, shape in columns.fields.items()}}}
    fields = [pa.field(name, arrow_type(shape)) for name, shape in columns.fields.items()]
    schema = pa.schema(fields, {"huggingface": orjson.dumps(features)})
    pictures = {leaf for name, shape in columns.fields.items() for leaf, kind in leaves(shape, name) if kind == "bytes"}
    texts = [leaf for name, shape in columns.fields.items() for leaf, _ in leaves(shape, name) if leaf not in pictures]
    rows = group_count = 0
    with pa.parquet.ParquetWriter(
        path,
        schema,
        compression={**dict.fromkeys(texts, "zstd"), **dict.fromkeys(pictures, "none")},  # pictures are packed already
        use_dictionary=texts,
        write_statistics=texts,
        use_content_defined_chunking=True,  # pages end by content: a longer export shares its chunks with a shorter one
    ) as writer:
        for group in groups:
            rows, group_count = rows + len(group), group_count + 1
            batch = _batch(group, columns, schema)
            group.clear()
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=batch.num_rows)
    return rows, group_count


def _batch(rows: list[Row], columns: Struct, schema: Any) -> Any:
    arrays = [_array([row.get(name) for row in rows], shape) for name, shape in columns.fields.items()]
    return pyarrow().RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], shape: Shape) -> Any:
    """The Arrow array of a column. Pictures are copied once, into one buffer; pa.array would double one repeatedly."""
    pa = pyarrow()
    if shape == "bytes":
        return _binary(values)
    if shape == "image":
        paths = pa.array([value and value["path"] for value in values], pa.string())
        pictures = _binary([value and value["bytes"] for value in values])
        nulls = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays([pictures, paths], fields=list(arrow_type(shape)), mask=nulls)
    if isinstance(shape, ListOf) and shape.of in ("bytes", "image"):
        ends = pa.array([0, *accumulate(len(value or ()) for value in values)], pa.int32())
        inner = _array([*chain.from_iterable(value or () for value in values)], shape.of)
        return pa.ListArray.from_arrays(ends, inner, mask=pa.array([value is None for value in values], pa.bool_()))
    return pa.array(values, arrow_type(shape))


def _binary(values: list[bytes | None]) -> Any:
    """A column of bytes, built of Arrow's three buffers: bits of validity, ends of values, and all bytes joined.

    Ends are 32-bit numbers, so a group holds less than 2 GiB; `GROUP` and the largest picture keep far below that.
    """
    pa = pyarrow()
    ends = pa.array([0, *accumulate(len(value or b"") for value in values)], pa.int32()).buffers()[1]
    validity = pa.array([value is not None for value in values], pa.bool_()).buffers()[1]
    data = pa.py_buffer(b"".join(value for value in values if value))
    return pa.BinaryArray.from_buffers(pa.binary(), len(values), [validity, ends, data])
