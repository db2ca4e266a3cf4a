"""One row to a json line and back: nothing lost, whatever the values, and JSON for every reader."""

import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest

from dataflow.errors import ConfigError, InputError, RowError
from dataflow.utils.row_json import as_written, dump_row, load_row


def strictly(line: bytes) -> object:
    """As a reader that knows no NaN takes it."""

    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(line.decode("utf-8"), parse_constant=refuse)


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**70), 2**63, 12345678901234567890123, "0012", 1 / 3, 0.1, 1e-300, True, None, "中文 🦊", [[]], [0]],
)
def test_a_value_survives_a_line(value: object) -> None:
    line = dump_row({"v": value})
    assert load_row(line, Path("x"), 1) == {"v": value}
    assert load_row(dump_row(load_row(line, Path("x"), 1)), Path("x"), 1) == {"v": value}


def test_long_integers_beside_floats_and_text_are_exact() -> None:
    row = {"big": 2**65 + 1, "f": 1 / 3, "t": "9" * 40, "n": numpy.int64(5), "p": Path("/a")}
    assert load_row(dump_row(row), Path("x"), 1) == {**row, "n": 5, "p": "/a"}


def test_nan_and_infinity_of_json_dumps_are_read_and_written_as_null() -> None:
    row = load_row(json.dumps({"a": math.nan, "b": math.inf, "c": "NaN"}).encode(), Path("x"), 1)
    assert math.isnan(row["a"])
    assert json.loads(dump_row(row)) == {"a": None, "b": None, "c": "NaN"}


def test_numpy_values_paths_tuples_and_sets_have_a_json_form() -> None:
    row = {"i": numpy.int32(3), "f": numpy.float32(0.5), "a": numpy.arange(3), "t": (1, 2), "s": {4}, "p": Path("/a")}
    assert json.loads(dump_row(row)) == {"i": 3, "f": 0.5, "a": [0, 1, 2], "t": [1, 2], "s": [4], "p": "/a"}


@pytest.mark.parametrize("beside", [1, 2**70, "half \ud83d"])
def test_nan_is_null_whatever_stands_beside_it(beside: object) -> None:
    row = {"a": [math.nan, {"b": math.inf}], "c": numpy.array([1.5, math.nan]), "d": beside, "e": numpy.float64("nan")}
    assert strictly(dump_row(row)) == {"a": [None, {"b": None}], "c": [1.5, None], "d": beside, "e": None}


def test_values_have_one_form_whatever_stands_beside_them() -> None:
    values: dict[Any, object] = {"t": (1, {2}), "n": numpy.int32(3), "p": Path("/a"), 5: {6: None}}
    values |= {"d": date(2026, 1, 2), "s": numpy.str_("x")}
    alone = strictly(dump_row(values))
    beside = strictly(dump_row({**values, "long": [2**70]}))
    assert isinstance(alone, dict)
    assert beside == {**alone, "long": [2**70]}


@pytest.mark.parametrize("text", ["cut \ud83d", "caf\udce9.png", "\ude00", "\ud83d and 中文 \\ud83d", "\ud83d\ud83d"])
def test_half_a_character_is_read_and_written(text: str) -> None:
    for line in (json.dumps({text: [text]}).encode(), json.dumps({text: [text], "long": 2**70}).encode()):
        row = load_row(line, Path("x"), 1)
        assert row[text] == [text]
        assert strictly(dump_row(row)) == row


@pytest.mark.parametrize("value", [b"PNG", Decimal("1.10"), {"a": [b"x"]}, object(), 1j])
def test_a_value_without_a_form_is_named_with_its_column_and_record(value: object) -> None:
    for more in ({}, {"long": 2**70}):
        row = {"id": 1, "thumbnail": value, **more}
        with pytest.raises(RowError, match=r"column `thumbnail` holds a .*, which JSON has no form for"):
            dump_row(row)
        with pytest.raises(ConfigError, match=r"rows\.parquet, record 3: column `thumbnail` .*Leave the column out"):
            as_written(row, Path("rows.parquet"), 3)


def test_a_line_with_both_a_fault_and_half_a_character_is_named() -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:7: not valid JSON"):
        load_row(b'{"a": "\\ud83d", "b": }', Path("a.jsonl"), 7)
