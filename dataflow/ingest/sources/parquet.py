"""Parquet files, with pictures as bytes, as Hugging Face's structs, in lists, or as paths.

Groups of rows may have gigabytes: only the columns that are wanted are read, each through a small buffer and in batches
of some megabytes. What remains in memory is a page of each, which its writer chose.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.errors import ConfigError, InputError
from dataflow.ingest.records import Broken, Record, Records, Shape
from dataflow.ingest.sources import Given, Source

_BUFFER = 1 << 20  # bytes read at once of a column
_BATCH = 4 << 20  # bytes of rows in hand
_MOST_ROWS = 256


@dataclass(frozen=True, slots=True)
class Parquet(Source):
    """The rows of parquet files, one file after another.

    Args:
        files: absolute.
        home: where relative picture paths begin.
    """

    files: tuple[Path, ...]
    home: Path | None

    def shape(self) -> Shape:
        """The fields that all files have."""
        shapes = [_fields(_opened(path).schema_arrow) for path in self.files]
        return {name: each for name, each in shapes[0].items() if all(name in other for other in shapes)}

    def records(self, names: Collection[str]) -> Records:
        """A record for each row."""
        for path in self.files:
            yield from _records(path, list(names))

    def count(self) -> int:
        """Rows of all files, by their footers."""
        return sum(_opened(path).metadata.num_rows for path in self.files)


def arrow_shape(of: Any) -> Shape:
    """The shape of an Arrow type."""
    import pyarrow as pa

    if pa.types.is_struct(of):
        return _fields(of)
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        return [arrow_shape(of.value_type)]
    return str(of)


def _fields(of: Any) -> dict[str, Shape]:
    return {each.name: arrow_shape(each.type) for each in of}


def _opened(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("parquet needs pyarrow: pip install 'dataflow-mm[parquet]'") from None
    try:
        return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a parquet file, or not one that can be read: {error}") from None


def _records(path: Path, names: list[str]) -> Records:
    with _opened(path) as file:
        first = 1
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            yield from _group(file, number, names, first=first, name=path.name)
            first += rows


def _group(file: Any, number: int, names: list[str], *, first: int, name: str) -> Records:
    """The rows of a group; those that cannot be read are one broken record."""
    import pyarrow as pa

    group = file.metadata.row_group(number)
    at, end = first, first + group.num_rows
    size = max(1, min(_MOST_ROWS, _BATCH * group.num_rows // max(1, group.total_byte_size)))
    try:
        for batch in file.iter_batches(size, row_groups=[number], columns=names, use_threads=False):
            for row in batch.to_pylist():
                yield Record(f"row {at} of {name}", row)
                at += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Broken(f"rows {at} to {end - 1} of {name}", f"they cannot be read: {error!s:.200}")


def open_parquet(given: Given) -> Source:
    """Open parquet files."""
    return Parquet(given.files, given.root or given.files[0].parent)
