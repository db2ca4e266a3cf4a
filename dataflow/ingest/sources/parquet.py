"""Reads parquet files, with pictures as bytes, as Hugging Face's structs, in lists, or as paths.

A group of rows may have gigabytes. So only the needed columns are read, each through a small buffer and in batches of
some megabytes. A page of each column is in memory, packed and unpacked, and its writer chose its size: usually tens of
megabytes. So of several columns of pictures all but one are first copied, one after another, into a temporary file
without a name, unless the group is very large.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from dataflow.core.records import Row
from dataflow.errors import ConfigError, InputError
from dataflow.ingest.buckets import CHUNK, Object, Ranges
from dataflow.ingest.records import Broken, Record, Records, Shape
from dataflow.ingest.sources import Given, Source

File = Path | Object

_BUFFER = 1 << 20  # bytes read at once of a column
_BATCH = 2 << 20  # bytes of the rows in a batch
_MOST_ROWS = 256  # in a batch
_LARGE = 8 << 20  # bytes of a column in a group, from which on its pages matter
_SPOOLED = 4 << 30  # bytes of a group whose columns are copied: the copy takes as much disk as the store


@dataclass(frozen=True, slots=True)
class Parquet(Source):
    """The rows of parquet files, one file after another.

    Args:
        files: absolute paths, or objects of a bucket.
        home: folder in which relative paths of pictures begin; None: there is none.
        scratch: folder for temporary files; None: the system's.
        base: address at which relative paths of pictures begin; "": there is none.
    """

    files: tuple[File, ...]
    home: Path | None
    scratch: Path | None = None
    base: str = ""

    def shape(self) -> Shape:
        """The fields that all files have."""
        shapes = []
        for path in self.files:
            with _opened(path) as file:
                shapes.append(_fields(file.schema_arrow))
        return {name: each for name, each in shapes[0].items() if all(name in other for other in shapes)}

    def records(self, names: Collection[str]) -> Records:
        """A record for each row."""
        for path in self.files:
            yield from _records(path, sorted(names), self.scratch)

    def count(self) -> int | None:
        """The number of rows, by the footers of the files; None: in a bucket, where each footer costs a request."""
        if any(isinstance(path, Object) for path in self.files):
            return None
        rows = 0
        for path in self.files:
            with _opened(path) as file:
                rows += file.metadata.num_rows
        return rows


def arrow_shape(arrow_type: Any) -> Shape:
    """The shape of an Arrow type."""
    import pyarrow as pa

    if pa.types.is_struct(arrow_type):
        return _fields(arrow_type)
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        return [arrow_shape(arrow_type.value_type)]
    return str(arrow_type)


def _fields(fields: Any) -> dict[str, Shape]:
    return {each.name: arrow_shape(each.type) for each in fields}


def _opened(path: File) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("parquet needs pyarrow: pip install 'dataflow-mm[parquet]'") from None
    try:
        if isinstance(path, Object):
            return pyarrow.parquet.ParquetFile(Ranges(path), buffer_size=CHUNK, pre_buffer=False)
        return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a parquet file, or not one that can be read: {error}") from None


def _records(path: File, names: list[str], scratch: Path | None) -> Records:
    with _opened(path) as file:
        first = 1
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            yield from _records_of(_Group(file, number, names, scratch), path.name, first=first, end=first + rows)
            first += rows


def _records_of(group: "_Group", name: str, *, first: int, end: int) -> Records:
    """A record for each row of a group; rows that cannot be read are one broken record."""
    import pyarrow as pa

    number = first
    try:
        for row in group.rows():
            yield Record(f"row {number} of {name}", row)
            number += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Broken(f"rows {number} to {end - 1} of {name}", f"they cannot be read: {error!s:.200}")


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of rows of a file.

    Args:
        file: a `pyarrow.parquet.ParquetFile`.
        number: of the group, from 0.
        names: columns to read.
        scratch: folder for temporary files; None: the system's.
    """

    file: Any
    number: int
    names: list[str]
    scratch: Path | None

    def rows(self) -> Iterator[Row]:
        """The rows of the group, one after another."""
        large = self._large()
        with ExitStack() as stack:
            copied = [stack.enter_context(self._copied(name)) for name in large]
            rest = self._batches([name for name in self.names if name not in large])
            for rows in zip(_rows(rest), *map(_rows, copied), strict=True):
                yield {name: value for row in rows for name, value in row.items()}

    def _large(self) -> list[str]:
        """The columns to copy into temporary files: all large ones but the first."""
        group, sizes = self.file.metadata.row_group(self.number), dict.fromkeys(self.names, 0)
        for at in range(group.num_columns):
            column = group.column(at)
            name = next((each for each in self.names if f"{column.path_in_schema}.".startswith(f"{each}.")), None)
            if name is not None:
                sizes[name] += column.total_uncompressed_size
        return [] if sum(sizes.values()) > _SPOOLED else [name for name in self.names if sizes[name] > _LARGE][1:]

    def _batches(self, names: list[str]) -> Iterator[Any]:
        group = self.file.metadata.row_group(self.number)
        size = max(1, min(_MOST_ROWS, _BATCH * group.num_rows // max(1, group.total_byte_size)))
        batches: Iterator[Any] = self.file.iter_batches(
            size, row_groups=[self.number], columns=names, use_threads=False
        )
        return batches

    @contextmanager
    def _copied(self, name: str) -> Iterator[Any]:
        """Copy a column into a temporary file; yields its batches from there, with no page in memory."""
        import pyarrow as pa

        field = self.file.schema_arrow.field(name)
        with TemporaryFile(dir=self.scratch) as spool:
            with pa.ipc.new_stream(spool, pa.schema([field])) as stream:
                for batch in self._batches([name]):
                    stream.write_batch(batch)
            spool.seek(0)
            with pa.ipc.open_stream(spool) as batches:
                yield batches


def _rows(batches: Iterator[Any]) -> Iterator[Row]:
    return (row for batch in batches for row in batch.to_pylist())


def open_parquet(given: Given) -> Source:
    """Open parquet files."""
    return Parquet(given.files, given.root or given.files[0].parent, given.scratch)
