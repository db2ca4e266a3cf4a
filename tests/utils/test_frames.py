"""Rows that went through a DataFrame are what they were."""

import math
from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.utils.frames import frame_of, rows_of
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

ROWS: list[Row] = [
    {"id": 2**53 + 1, "score": 0.5, "long": 2**70, "text": "cut \ud83d", "list": ["a.png"], "kept": True},
    {"text": "whole"},
    {"id": 7, "score": None, "long": 1, "text": "中文", "list": [], "kept": False},
]


def test_every_value_comes_back_and_what_a_row_lacks_is_none() -> None:
    back = rows_of(frame_of(ROWS))
    assert back == [{name: row.get(name) for name in ROWS[0]} for row in ROWS]
    assert [type(row["id"]) for row in back] == [int, type(None), int]
    assert [type(row["n"]) for row in rows_of(frame_of([{"n": 1}, {}]))] == [float, type(None)], "as pandas has it"


def test_columns_are_what_pandas_computes_with() -> None:
    frame = frame_of([{"n": 1, "f": 0.5}, {"f": None}, {"n": 4, "f": 1.5}])
    assert (frame["n"].sum(), frame["f"].mean(), list(frame[frame["n"] > 1].index)) == (5, 1.0, [2])
    assert [str(kind) for kind in frame_of([{"n": 1, "f": 0.5}, {"n": 2, "f": math.nan}]).dtypes] == [
        "int64",
        "float64",
    ]
    assert (len(frame_of([])), len(frame_of([{}, {}]))) == (0, 2)


def test_a_large_id_survives_a_step_written_by_hand(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"id": 2**53 + 1}, {"text": "no id"}])
    storage = FileStorage(str(first), cache_path=str(tmp_path / "cache"))
    storage.step().write(storage.read("dataframe"))
    assert read_rows(storage.current.target) == [{"id": 2**53 + 1, "text": None}, {"id": None, "text": "no id"}]


def test_two_columns_of_one_name_are_refused_and_not_lost() -> None:
    frame = frame_of([{"a": 1, "b": 2}])
    frame.columns = ["a", "a"]
    with pytest.raises(ConfigError, match="several columns named `a`"):
        rows_of(frame)
