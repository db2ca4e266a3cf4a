"""Rows in and out of jsonl, json, csv and parquet: nothing lost, and errors that name the line."""

import csv
import json
import unicodedata
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.utils.row_json import as_written
from dataflow.utils.rowfiles import CACHE_TYPES, RowCursor, check_fits, finish
from dataflow.utils.storage import FileStorage
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
        (b'{"a": ' + b"9" * 5000 + b"}\n", r"a\.jsonl:1: not valid JSON"),
        (b'{"a": ' + b"[" * 5000 + b"1234567890123456789}\n", r"a\.jsonl:1: not valid JSON .*nested too deeply"),
        ('{"a": "Möbel "}\n'.encode("cp1252"), r"a\.jsonl:1: byte 9 is not UTF-8.*iconv -f cp1252 -t utf-8"),
    ],
    "json": [
        ('[{"a": 1},\n{"a": "红"}]'.encode("gb18030"), r"a\.json:2: .*not UTF-8.*iconv"),
        (b'[{"a": 1},\n{"a": }]', r"a\.json:2: not valid JSON"),
        (b'{"a": 1}\n', r"a\.json: expected a JSON list of objects.*\.jsonl"),
        (b'[{"a": 1}, 5]', r"a\.json: record 2 is a int, not an object"),
        (b'[{"a": ' + b"9" * 5000 + b"}]", r"a\.json: not valid JSON"),
    ],
    "csv": [
        ("a,b\n1,2\n红,3\n".encode("gb18030"), r"a\.csv:3: .*not UTF-8.*iconv"),
        (b"a,b\n1,2\n1,2,3\n", r"a\.csv:3: 3 cells.*2 columns"),
        (b'a,b\n1,2\n3,"4\n5,6\n', r"a\.csv:3: nothing closes a quote"),
        (b'a,"b\n1,2\n', r"a\.csv:1: nothing closes a quote"),
        (b"a,b,a\n1,2,3\n", r"a\.csv: several columns are named `a`"),
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


def test_a_file_whose_name_looks_the_same_is_named(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "한 é.jsonl")).touch()
    with pytest.raises(InputError, match=r"another Unicode form is there, '.*e\\u0301\.jsonl': rename it"):
        RowCursor(tmp_path / unicodedata.normalize("NFC", "한 é.jsonl"))
    with pytest.raises(InputError, match=r"looked from [^;]*$"):
        RowCursor(tmp_path / "no folder" / "é.jsonl")


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
    with pytest.raises(ConfigError, match=r"column `a` does not fit one parquet schema .*; use cache_type='jsonl'"):
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


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
@pytest.mark.parametrize(
    ("charset", "said"),
    [("utf-16", "utf-16"), ("utf-16-le", "utf-16le"), ("utf-16-be", "utf-16be"), ("utf-32", "utf-32")],
)
def test_text_of_two_or_four_bytes_a_character_is_named(tmp_path: Path, kind: str, charset: str, said: str) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_bytes('{"id": "红"}\r\n'.encode(charset))
    with pytest.raises(InputError, match=rf"rows\.{kind} is in {said.upper()}, not UTF-8.*`iconv -f {said} -t utf-8`"):
        RowCursor(path)


def test_a_byte_order_mark_the_other_way_round_is_named_as_well(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xfe\xff" + '{"id": 1}'.encode("utf-16-be"))
    with pytest.raises(InputError, match="is in UTF-16, not UTF-8"):
        RowCursor(path)


def test_columns_of_excel_without_a_name_are_no_two_columns_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,,\n1,,\n", encoding="utf-8")
    assert rows_of(tmp_path / "a.csv") == [{"a": "1", "": ""}]


def test_two_columns_of_a_parquet_file_with_one_name_are_refused(tmp_path: Path) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="several columns are named `a`"):
        rows_of(tmp_path / "a.parquet")


def test_a_parquet_file_that_is_cut_short_or_damaged_is_named(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x" * 50] * 500}), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for number, data in enumerate((whole[:-40], whole[:4] + b"\xff" * 60 + whole[64:])):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"{number}\.parquet: not a parquet file"):
            rows_of(path)


ODD_ROWS = [
    {"id": 1, "half": ["a cut \ud83d"], "long": [2**70, {"k": -(2**65)}]},
    {"id": 2, "half": [], "long": [], "only here": {"a": [1], "b": None}},
]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_half_characters_long_integers_and_late_columns_are_carried(tmp_path: Path, kind: str) -> None:
    part, target = tmp_path / "rows.part", tmp_path / f"rows.{kind}"
    part.write_text("".join(json.dumps(row) + "\n" for row in ODD_ROWS), encoding="utf-8")
    finish(part, target)
    first, second = rows_of(target)
    assert [first["half"], first["long"], second["only here"]] == [
        ODD_ROWS[0]["half"],
        ODD_ROWS[0]["long"],
        ODD_ROWS[1]["only here"],
    ]


def test_half_a_character_in_a_cell_of_its_own_stands_as_its_escape(tmp_path: Path) -> None:
    (tmp_path / "rows.part").write_text('{"note": "cut \\ud83d", "b": "\\r"}\n', encoding="utf-8")
    finish(tmp_path / "rows.part", tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [{"note": "cut \\ud83d", "b": "\r"}]


def test_a_parquet_step_has_the_columns_of_every_row(tmp_path: Path) -> None:
    rows = [{"id": 1}, {"id": 2, "note": "late"}, {"extra": [{"k": 1}]}, {"extra": [{"other": "x"}]}]
    finish(write_rows(tmp_path / "rows.part", rows), tmp_path / "rows.parquet")
    assert rows_of(tmp_path / "rows.parquet") == [
        {"id": 1, "note": None, "extra": None},
        {"id": 2, "note": "late", "extra": None},
        {"id": None, "note": None, "extra": [{"k": 1, "other": None}]},
        {"id": None, "note": None, "extra": [{"k": None, "other": "x"}]},
    ]


@pytest.mark.parametrize(
    "values",
    [("a7", 7), ({}, {}), (2**70, 1), ([1], {"a": 1}), (True, 3), ("half \ud83d", ""), ([["a", 1]], [])],
    ids=["text and number", "empty object", "more than 64 bits", "list and object", "bool and number", "half", "pairs"],
)
def test_rows_that_no_parquet_schema_fits_are_found_without_a_file(values: tuple[object, ...]) -> None:
    rows = [{"id": value} for value in values]
    for kind in CACHE_TYPES:
        if kind == "parquet":
            with pytest.raises(ConfigError, match=r"not fit one parquet schema .*; use cache_type='jsonl'"):
                check_fits(rows, kind)
        else:
            check_fits(rows, kind)


@pytest.mark.parametrize(
    ("given", "out"),
    [
        ("hf:someone/edits:train", "train"),
        ("s3://bucket/photos", "photos"),
        ("shards/000.tar", "000"),
        ("photos", "photos"),
        ("https://example.org/a.jsonl", "a"),
    ],
)
def test_what_is_to_be_imported_first_names_the_command(
    given: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=f"`dataflowmm import {given} --out {out}.jsonl`, and read {out}.jsonl"):
        FileStorage(given, "cache").step().cursor()


def test_pictures_as_bytes_in_a_parquet_file_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"of pictures as bytes `dataflowmm import a.parquet --out rows.jsonl`"):
        as_written({"images": b"1"}, Path("a.parquet"), 1)
