"""Rows in and out of jsonl, json, csv and parquet: nothing lost, and errors that name the line."""

import json
import math
from pathlib import Path

import numpy
import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.utils.rowfiles import RowCursor, dump_row, finish, load_row
from tests.kit.flow import read_rows, write_rows

ROWS = [
    {"id": 1, "text": "把花瓶变成红色", "list": ["a.png", "b.png"], "nested": {"k": [1, {"x": None}]}},
    {"id": 2, "text": 'quote " comma , newline \n end', "list": [], "nested": {}},
]


def rows_of(path: Path) -> list[dict[str, object]]:
    return [row for _, row in RowCursor(path).take(10_000)]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_rows_come_back_as_they_were(tmp_path: Path, kind: str) -> None:
    rows = ROWS if kind != "parquet" else [{**row, "nested": {"k": "v"}} for row in ROWS]
    target = tmp_path / f"rows.{kind}"
    finish(write_rows(tmp_path / "rows.part", rows), target)
    assert rows_of(target) == rows
    assert not (tmp_path / "rows.part").exists()


def test_csv_keeps_lists_and_dicts_as_json_and_text_as_text(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    finish(write_rows(tmp_path / "rows.part", [*ROWS, {"id": "0012", "text": "[not json"}]), target)
    first, second, third = rows_of(target)
    assert first == {**ROWS[0], "id": "1"}
    assert second == {**ROWS[1], "id": "2"}
    assert (third["id"], third["text"], third["list"]) == ("0012", "[not json", "")


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


def test_a_value_without_a_json_form_is_named() -> None:
    with pytest.raises(TypeError, match="a row holds a object"):
        dump_row({"v": object()})


def test_a_bom_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": 2}')
    assert RowCursor(path).take(9) == [(1, {"a": 1}), (4, {"a": 2})]
    for kind, text in (("json", '[{"a": "1"}]'), ("csv", "a\n1\n")):
        (tmp_path / f"a.{kind}").write_text(text, encoding="utf-8-sig")
        assert rows_of(tmp_path / f"a.{kind}") == [{"a": "1"}]


BAD_LINES = {
    "jsonl": [
        ('{"a": 1}\n{"a": "红"}\n'.encode("gb18030"), r"a\.jsonl:2: byte 8 is not UTF-8.*iconv"),
        (b'{"a": 1}\n\n{"a": \n', r"a\.jsonl:3: not valid JSON .*line starts with '\{\"a\": "),
        (b'{"a": 1}\n[1]\n', r"a\.jsonl:2: expected one JSON object a line, found a list"),
        (b'{"a": 1234567890123456789012, "b": }\n', r"a\.jsonl:1: not valid JSON"),
        (b'{"a": NaN, "b": }\n', r"a\.jsonl:1: not valid JSON"),
    ],
    "json": [
        ('[{"a": 1},\n{"a": "红"}]'.encode("gb18030"), r"a\.json:2: .*not UTF-8.*iconv"),
        (b'[{"a": 1},\n{"a": }]', r"a\.json:2: not valid JSON"),
        (b'{"a": 1}\n', r"a\.json: expected a JSON list of objects.*\.jsonl"),
        (b'[{"a": 1}, 5]', r"a\.json: record 2 is a int, not an object"),
    ],
    "csv": [
        ("a,b\n1,2\n红,3\n".encode("gb18030"), r"a\.csv:3: .*not UTF-8.*iconv"),
        (b"a,b\n1,2\n1,2,3\n", r"a\.csv:3: 3 cells.*2 columns"),
    ],
    "parquet": [(b"PAR1 no", r"a\.parquet: not a parquet file")],
}


@pytest.mark.parametrize(
    ("kind", "data", "message"), [(kind, *case) for kind, cases in BAD_LINES.items() for case in cases]
)
def test_a_broken_file_is_an_error_that_names_the_place(tmp_path: Path, kind: str, data: bytes, message: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        rows_of(path)


def test_a_missing_file_and_an_unknown_kind_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no input file at .*gone\.jsonl \(looked from"):
        RowCursor(tmp_path / "gone.jsonl")
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(InputError, match=r"unknown kind of file; give one of \.jsonl, \.json, \.csv, \.parquet"):
        RowCursor(tmp_path / "a.xlsx")


def test_rows_passed_over_are_counted_and_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 0}\nbroken\n{"n": 2}\n{"n": 3}\n', encoding="utf-8")
    cursor = RowCursor(path)
    cursor.skip_to(2)
    assert cursor.take(1) == [(3, {"n": 2})]
    assert cursor.position == 3
    assert cursor.take(5) == [(4, {"n": 3})]
    assert cursor.take(5) == []
    cursor.skip_to(9)
    assert cursor.position == 4


def test_rows_that_fit_no_parquet_schema_say_so_and_leave_no_file(tmp_path: Path) -> None:
    part = write_rows(tmp_path / "rows.part", [{"a": 1}, {"a": "x"}])
    with pytest.raises(ConfigError, match="one parquet schema"):
        finish(part, tmp_path / "rows.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.part"]


def test_a_conversion_keeps_the_part_until_the_target_is_there(tmp_path: Path) -> None:
    part = tmp_path / "rows.part"
    part.write_text('{"a": 1}\nbroken\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.part:2"):
        finish(part, tmp_path / "rows.json")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.part"]
    assert len(part.read_bytes()) == 16


def test_an_empty_file_of_each_kind_has_no_rows(tmp_path: Path) -> None:
    for kind in ("jsonl", "json", "csv", "parquet"):
        part = tmp_path / "rows.part"
        part.touch()
        finish(part, tmp_path / f"rows.{kind}")
        assert rows_of(tmp_path / f"rows.{kind}") == []
    assert read_rows(tmp_path / "rows.jsonl") == []
