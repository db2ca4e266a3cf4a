"""`dataflowmm calibrate`: what it prints, what it writes, and its exit codes."""

from pathlib import Path

import pytest

from dataflow.calibration.labels import Label, append_label
from dataflow.cli.main import main
from dataflow.judging.promise import Promise, read_promise
from tests.calibration.judged import JUDGE, LOW, RUBRIC, label, run, tries_of
from tests.kit.flow import read_rows, write_rows


def test_the_promised_threshold_is_written_and_the_report_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW))
    assert run(tmp_path, labels) == 0
    said = capsys.readouterr().out
    promise = read_promise(tmp_path / "t.json")
    assert promise == Promise(JUDGE, RUBRIC, 9.0, 0.9, 0.9, 47, 0)
    assert "Threshold 9: at least 90% of what is accepted is good." in said
    assert "40% of the edits reach it" in said
    assert "Below 7 these labels promise nothing" in said
    assert "you agree with yourself            100% (72% to 100%)" in said
    assert f"{tmp_path}/t.json is written" in said
    assert main(["calibrate", str(tmp_path), str(labels), "--precision", "0.915"]) == 0
    assert f"--thresholds {tmp_path}/thresholds.json" in (said := capsys.readouterr().out)
    assert "at least 91.5% of what is accepted is good" in said
    assert read_promise(tmp_path).precision == 0.915
    assert [line for line in said.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []


def test_columns_of_other_names_are_named_by_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tries_of(tmp_path, LOW)
    labels = label(path)
    for each in (path, tmp_path / "set_step2.jsonl"):
        write_rows(each, [{"edits": row["edited_images"], "opinion": row["verdict"]} for row in read_rows(each)])
    assert run(tmp_path, labels) == 1
    assert "no step with verdicts in `verdict`" in capsys.readouterr().err
    columns = "--output_key=edits", "--verdict_key=opinion"
    assert run(tmp_path, labels, *columns) == 0
    assert read_promise(tmp_path / "t.json").at == 9.0
    assert run(tmp_path, labels, *columns, "--judges", str(path), str(path)) == 0


@pytest.mark.parametrize("flag", ["--precision", "--confidence"])
def test_what_is_no_share_is_refused(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = label(tries_of(tmp_path, LOW), count=5)
    assert run(tmp_path, labels, flag, "90") == 1
    assert f"{flag.removeprefix('--')} is 90.0: give a share between 0 and 1" in capsys.readouterr().err
    assert run(tmp_path, tmp_path / "none.jsonl") == 1
    assert "label edits first, dataflowmm view" in capsys.readouterr().err
    append_label(tmp_path / "hand.jsonl", Label("e" * 64, "accept", "verdict"))
    assert run(tmp_path, tmp_path / "hand.jsonl") == 1
    assert "(it has hand verdicts alone): label edits first" in capsys.readouterr().err
