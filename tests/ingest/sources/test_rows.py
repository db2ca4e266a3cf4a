"""Rows of text whose pictures lie elsewhere: csv, tsv, json, jsonl; bad lines."""

import base64
from pathlib import Path

import orjson
import pytest

from dataflow.errors import InputError
from dataflow.ingest.records import Broken, Record
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import source_of
from tests.kit.publishers import bytes_in, pairs, rows_of


def test_jsonl_with_paths_base64_and_messages(tmp_path: Path) -> None:
    first, second, *_ = pairs(tmp_path)
    (tmp_path / "a.jpg").write_bytes(first.source)
    coded = base64.b64encode(second.source).decode()
    lines = [
        {"img": "a.jpg", "said": [{"from": "human", "value": first.words}], "files": [{"id": 1}, {"id": 2}]},
        {"img": f"data:image/png;base64,{coded}", "said": second.words, "files": [{"id": 3}, {"id": 4}]},
        {"img": coded, "said": second.words, "files": [{"id": 5}]},
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)) + b'\n{"img": \n')
    done = import_rows(
        str(tmp_path / "in.jsonl"), tmp_path / "rows.jsonl", columns="images=img,instruction=said,f=files[1].id"
    )
    rows = rows_of(done.target)
    assert [row["f"] for row in rows] == [2, 4, None]
    assert rows[0]["images"] == [str(tmp_path / "a.jpg")]
    assert rows[0]["conversations"] == lines[0]["said"]
    assert bytes_in(rows[1]["images"]) == [second.source]
    failed = {row["place"]: row["reason"] for row in rows_of(done.errors)}
    assert list(failed) == ["line 4 of in.jsonl"]
    assert failed["line 4 of in.jsonl"].startswith("not valid JSON")


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t")])
def test_tables_keep_quotes_line_ends_and_leading_zeros(tmp_path: Path, ending: str, separator: str) -> None:
    pair = pairs(tmp_path)[0]
    (tmp_path / "图 1.jpg").write_bytes(pair.source)
    words = ['"say ""no"""', '"two\nlines, and a comma"', "007", "把招牌"]
    lines = [separator.join(("picture", "words")), *(f"图 1.jpg{separator}{each}" for each in words)]
    (tmp_path / f"in.{ending}").write_bytes(
        ("\n".join(lines) + f"\n图 1.jpg{separator}x{separator}y\n").encode()
        + b"a.jpg"
        + separator.encode()
        + b"\xff\n"
    )
    done = import_rows(
        str(tmp_path / f"in.{ending}"), tmp_path / "rows.jsonl", columns="images=picture,instruction=words"
    )
    said = [row["conversations"][0]["content"] for row in rows_of(done.target)]
    assert said == ['say "no"', "two\nlines, and a comma", "007", "把招牌"]
    reasons = [row["reason"] for row in rows_of(done.errors)]
    assert reasons == ["it has 3 cells for 2 columns", "it is not UTF-8"]


def test_a_list_of_json_and_what_is_no_object_in_it(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('[{"a": {"b": 1}}, 5, {"a": null}]')
    source = source_of(str(tmp_path / "in.json"))
    assert source.shape() == {"a": {"b": "int"}}
    assert [type(record).__name__ for record in source.records(("a",))] == ["Record", "Broken", "Record"]
    (tmp_path / "bad.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="expected a JSON list"):
        list(source_of(str(tmp_path / "bad.json")).records(()))


def test_a_quote_that_nothing_closes_fails_what_it_takes_and_no_row_is_lost_unsaid(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('words,n\n\na,1\n"b" c,2\nd,3\n"e,4\nf,5\n')
    records = list(source_of(str(tmp_path / "in.csv")).records(()))
    assert [each.fields["n"] for each in records if isinstance(each, Record)] == ["1", "3"]
    torn = [(each.place, each.reason) for each in records if isinstance(each, Broken)]
    assert torn == [
        ("lines 4 to 4 of in.csv", "it is no csv: ',' expected after '\"'"),
        ("lines 6 to 7 of in.csv", "it is no csv: unexpected end of data"),
    ]


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl"])
def test_rows_in_another_encoding_are_one_sentence(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in.{ending}"
    path.write_text("图片,words\n", encoding="utf-16")
    with pytest.raises(InputError, match="is in UTF-16"):
        source_of(str(path)).shape()
    path.write_text("指令,words\n", encoding="gbk")
    if ending in ("csv", "tsv"):
        with pytest.raises(InputError, match="its first line is not UTF-8"):
            source_of(str(path)).shape()
