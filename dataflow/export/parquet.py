"""Tables of pictures as parquet files of at most 100 MB, in groups of rows of at most 8 MB.

Whoever streams a table holds some groups, and `datasets` as much as it has read of a file until that file ends: from
files of 500 MB it took 670 MB more than from none, from these 180 MB (November 2026, benchmarks/README.md). Pages end
where the contents say so, not where a number of rows is reached, so stores that keep equal chunks once (the hub's)
store of a longer export only what is new.
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
            batch = _batch(group, columns, schema)
            group.clear()
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=batch.num_rows)
    return rows, many


def _batch(rows: list[Row], columns: Struct, schema: Any) -> Any:
    arrays = [_array([row.get(name) for row in rows], shape) for name, shape in columns.fields.items()]
    return pyarrow().RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], shape: Shape) -> Any:
    """A column; pictures are copied once, into one piece: pyarrow's own way doubles a buffer until they fit."""
    pa = pyarrow()
    if shape == "bytes":
        return _binary(values)
    if shape == "image":
        paths = pa.array([each and each["path"] for each in values], pa.string())
        pictures = _binary([each and each["bytes"] for each in values])
        nulls = pa.array([each is None for each in values], pa.bool_())
        return pa.StructArray.from_arrays([pictures, paths], fields=list(arrow_type(shape)), mask=nulls)
    if isinstance(shape, ListOf) and shape.of in ("bytes", "image"):
        ends = pa.array([0, *accumulate(len(each or ()) for each in values)], pa.int32())
        inner = _array([*chain.from_iterable(each or () for each in values)], shape.of)
        return pa.ListArray.from_arrays(ends, inner, mask=pa.array([each is None for each in values], pa.bool_()))
    return pa.array(values, arrow_type(shape))


def _binary(values: list[bytes | None]) -> Any:
    pa = pyarrow()
    ends = pa.array([0, *accumulate(len(each or b"") for each in values)], pa.int32()).buffers()[1]
    there = pa.array([each is not None for each in values], pa.bool_()).buffers()[1]
    data = pa.py_buffer(b"".join(each for each in values if each))
    return pa.BinaryArray.from_buffers(pa.binary(), len(values), [there, ends, data])
