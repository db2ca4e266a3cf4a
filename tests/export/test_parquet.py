"""Parquet files: how rows are parted, and that their schema is what `datasets` would have written."""

from pathlib import Path

import datasets
import pyarrow.parquet

from dataflow.core.records import Row
from dataflow.export.parquet import write_parquet
from tests.kit.tables import COLUMNS, FEATURES


def row_of(number: int, size: int) -> Row:
    data = number.to_bytes(2, "big") * (size // 2)
    return {"id": f"{number:04d}", "edited": {"bytes": data, "path": "a.png"}}


def test_the_schema_is_that_of_the_same_features(tmp_path: Path) -> None:
    write_parquet(tmp_path, "train", COLUMNS, [row_of(1, 10)])
    schema = pyarrow.parquet.read_schema(tmp_path / "train-00000-of-00001.parquet")
    assert schema.remove_metadata().equals(pyarrow.schema(FEATURES.arrow_schema).remove_metadata())
    assert datasets.Features.from_arrow_schema(schema) == FEATURES


def test_groups_and_files_end_before_they_are_too_large(tmp_path: Path) -> None:
    rows = [row_of(number, 1000) for number in range(25)]
    files = write_parquet(tmp_path, "train", COLUMNS, rows, group=5_100, file=10_500)
    assert [each.path.name for each in files] == [f"train-{k:05d}-of-00003.parquet" for k in range(3)]
    assert [(each.rows, each.groups) for each in files] == [(10, 2), (10, 2), (5, 1)]
    read = [name for each in files for name in pyarrow.parquet.read_table(each.path)["id"].to_pylist()]
    assert read == [each["id"] for each in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == [each.path.name for each in files]


def test_a_row_larger_than_a_group_is_a_group_alone(tmp_path: Path) -> None:
    rows = [row_of(1, 100), row_of(2, 9_000), row_of(3, 100), row_of(4, 100)]
    (file,) = write_parquet(tmp_path, "train", COLUMNS, rows, group=1_000, file=100_000)
    found = pyarrow.parquet.ParquetFile(file.path)
    assert [found.metadata.row_group(k).num_rows for k in range(found.num_row_groups)] == [1, 1, 2]


def test_what_a_row_lacks_is_null_and_what_it_has_stays(tmp_path: Path) -> None:
    picture = {"bytes": b"\0\1", "path": "a.png"}
    rows: list[Row] = [
        {},
        {"id": "", "images": [], "files": [], "wordings": [[]], "accepted": False},
        {"id": "é", "images": [picture, None, picture], "edited": picture, "files": [b"", None, b"abc"], "score": 1.5},
        {"images": [{"bytes": b"", "path": None}], "by": {"asked": "m", "seed": None}, "wordings": [["a", "b"], []]},
    ]
    write_parquet(tmp_path, "train", COLUMNS, rows)
    found = pyarrow.parquet.read_table(tmp_path / "train-00000-of-00001.parquet").to_pylist()
    assert found == [{name: row.get(name) for name in COLUMNS.fields} for row in rows]


def test_no_rows_are_no_file(tmp_path: Path) -> None:
    assert write_parquet(tmp_path, "train", COLUMNS, []) == []
