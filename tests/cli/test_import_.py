"""`dataflowmm import`, from photographs to instructed rows: last lines and exit codes."""

from pathlib import Path

import orjson
import pytest

from dataflow.cli.import_ import NowAndThen
from dataflow.cli.main import main
from tests.kit.publishers import pairs, write_parquet


def test_an_import_ends_with_where_everything_lies_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = pairs(tmp_path)
    data = write_parquet(tmp_path / "a.parquet", {"image": [p.source for p in made], "words": [p.words for p in made]})
    flags = ["import", str(data), "--columns", "images=image,instruction=words", "--out", str(tmp_path / "rows.jsonl")]
    assert main(flags) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"8 rows of 8 records of {data}",
        f"pictures: 8 stored in {tmp_path}/rows.pictures",
        f"-> {tmp_path}/rows.jsonl",
        f"next: python gpu_pipelines/image_editing_pipeline.py --input {tmp_path}/rows.jsonl",
    ]
    assert main(flags) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "pictures: 8 there already",
        f"-> {tmp_path}/rows.jsonl (unchanged)",
    ]


def test_failed_records_are_counted_by_reason_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_parquet(tmp_path / "a.parquet", {"image": [pairs(tmp_path)[0].source, b"<html>", None, None]})
    assert main(["import", str(data), "--columns", "images=image", "--out", str(tmp_path / "rows.jsonl")]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        f"1 row of 4 records of {data}",
        f"3 records failed: {tmp_path}/rows.errors.jsonl",
        "  2 x `images` has no picture: its fields are empty",
    ]


def test_without_columns_those_that_fit_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_parquet(tmp_path / "a.parquet", {"source_image": [b"1"], "prompt": ["x"]})
    assert main(["import", str(data), "--out", str(tmp_path / "rows.jsonl")]) == 1
    assert "such as --columns images=source_image,instruction=prompt; " in capsys.readouterr().err


def test_a_dry_run_prints_the_first_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_parquet(tmp_path / "a.parquet", {"image": [pair.source for pair in pairs(tmp_path)]})
    flags = ["import", str(data), "--columns", "images=image", "--out", str(tmp_path / "rows.jsonl"), "--dry_run"]
    assert main(flags) == 0
    said = capsys.readouterr().out.splitlines()
    assert [list(orjson.loads(line)) for line in said[:3]] == [["images"]] * 3
    assert said[-1] == "(dry run) nothing was written"
    assert not (tmp_path / "rows.jsonl").exists()


def test_progress_is_shown_now_and_then() -> None:
    shown: list[str] = []
    often, seldom = NowAndThen(shown.append, -1.0), NowAndThen(shown.append, 3600.0)
    often(1, None)
    seldom(2, None)
    often(1000, 2000)
    assert shown == ["imported 1 record", "imported 1,000 of 2,000 records"]


def test_a_pattern_without_quotes_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "a.parquet", "b.parquet", "c.parquet", "--out", str(tmp_path / "rows.jsonl")]) == 1
    assert "3 SOURCES: give a folder, or put a pattern into quotes" in capsys.readouterr().err
