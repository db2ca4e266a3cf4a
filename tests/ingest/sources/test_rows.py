"""Rows of text whose pictures lie elsewhere: csv, tsv, json, jsonl; bad lines."""

import base64
from pathlib import Path

import orjson
import pytest

from dataflow.errors import InputError
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
