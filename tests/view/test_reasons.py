"""Reasons of failed rows, from a file that grows, is begun anew, or is torn."""

import json
from pathlib import Path

from dataflow.view.reasons import FailedRows, Reasons, count_lines, next_run


def line(kind: str, reason: str) -> str:
    return json.dumps({"class": kind, "reason": reason, "row": 0}) + "\n"


def test_reasons_are_counted_as_the_file_grows_most_frequent_first(tmp_path: Path) -> None:
    file = tmp_path / "errors"
    reasons = Reasons(file)
    assert reasons.read() == ()
    file.write_text(line("row", "no picture") + line("refused", "no"))
    assert reasons.read() == (FailedRows("row", "no picture", 1), FailedRows("refused", "no", 1))
    whole = line("refused", "no")
    with file.open("a") as errors:
        errors.write(whole[:9])
    assert sum(failure.rows for failure in reasons.read()) == 2
    with file.open("a") as errors:
        errors.write(whole[9:] + "not json\n")
    assert reasons.read()[0] == FailedRows("refused", "no", 2)
    assert reasons.read()[2].kind == "unknown"


def test_of_the_next_run_only_that_is_said_which_is_true_of_the_failures() -> None:
    asked, refused, mended = next_run({"retry", "refused", "row"}, "--retry_rejected")
    assert asked == "The next run asks again for rows that got no answer."
    assert refused == "Refused rows are asked again only with --retry_rejected."
    assert next_run({"row"}, "--retry_rejected") == [mended]
    assert next_run({"refused"}, "--retry_rejected") == [refused]
    assert next_run({"wait", "failed"}, "--retry_rejected") == [asked]
    assert next_run((), "--retry_rejected") == []


def test_a_file_begun_anew_is_counted_anew_and_one_that_is_gone_has_none(tmp_path: Path) -> None:
    file = tmp_path / "errors"
    file.write_text(line("row", "a") * 3)
    reasons = Reasons(file)
    assert reasons.read() == (FailedRows("row", "a", 3),)
    file.write_text(line("row", "b"))
    assert reasons.read() == (FailedRows("row", "b", 1),)
    file.unlink()
    assert reasons.read() == ()


def test_a_thousand_reasons_are_told_apart_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "errors"
    file.write_text("".join(line("row", f"no picture {number}") for number in range(1500)))
    failures = Reasons(file).read()
    assert len(failures) == 1001
    assert failures[0] == FailedRows("", "other reasons", 500)


def test_rows_are_the_lines_of_a_jsonl_file_or_of_any_file_in_the_making(tmp_path: Path) -> None:
    (tmp_path / "a_step1.jsonl").write_text("{}\n{}\n")
    assert count_lines(tmp_path / "a_step1.jsonl") == 2
    (tmp_path / "a_step1.parquet").write_bytes(b"PAR1")
    assert count_lines(tmp_path / "a_step1.parquet") is None
    (tmp_path / "a_step1.parquet.part").write_text("{}\n")
    assert count_lines(tmp_path / "a_step1.parquet") == 1
    assert count_lines(tmp_path / "a_step2.jsonl") is None
