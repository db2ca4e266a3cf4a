"""The report on a judge, and the report on two judges."""

import re
from pathlib import Path

import pytest

from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.compare import cost_of_verdict
from dataflow.calibration.joining import join
from dataflow.calibration.labels import read_labels
from dataflow.judging.promise import Promise, write_promise
from tests.calibration.judged import JUDGE, LOW, RUBRIC, flat, good, label, run, second_judge, tries_of
from tests.kit.flow import write_rows


def test_where_nothing_can_be_promised_it_says_what_is_missing_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW), count=20)
    assert run(tmp_path, labels) == 3
    said = capsys.readouterr().out
    assert "No threshold can be promised at which 90% of what is accepted is good." in said
    assert re.search(
        r"These labels carry (\d\d)%: .* labelled edits are bad. Promise that with --precision 0.\1", flat(said)
    )
    assert "Nothing is written." in said
    assert not (tmp_path / "t.json").exists()
    (tmp_path / "labels.jsonl").unlink()
    assert run(tmp_path, label(tries_of(tmp_path, LOW), lambda number: "yes", count=20)) == 3
    assert "Label 6 more edits at 8 or above: if all of them are good, it can be given" in (
        said := capsys.readouterr().out
    )
    assert "view --label 28" in flat(said)
    write_promise(tmp_path / "t.json", Promise(JUDGE, RUBRIC, 9.0, 0.9, 0.9, 47, 0))
    assert run(tmp_path, tmp_path / "labels.jsonl") == 3
    assert f"{tmp_path}/t.json stays as it was" in capsys.readouterr().out


def test_an_operation_with_too_few_labels_is_told_how_many_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {number: {"sub_type": "move" if number < 30 else "add"} for number in range(300)}
    labels = label(tries_of(tmp_path, LOW, more=few), lambda number: "yes")
    found = calibrate(read_labels(labels), tmp_path / "set_step2.tries.jsonl")
    (move,) = (group for group in found.groups if group.name == "move")
    assert move.more == 22 - move.accepted > 0
    run(tmp_path, labels)
    said = capsys.readouterr().out
    assert f"label {move.more} more accepted `move` edits, all good, for a promise of their own" in said
    assert "more accepted `add` edits" not in said


def test_the_better_of_two_judges_is_named_with_its_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tries_of(tmp_path, LOW)
    write_rows(tmp_path / "set_step2.meta.json", [{"summary": {"sides": {"tries": 300}, "currency": "USD", "cost": 9}}])
    exact = [9.0 if good(number) == "yes" else 4.0 for number in range(300)]
    second = second_judge(tmp_path, exact, 3.0)
    assert cost_of_verdict(join([], second)) == (0.01, "USD")
    assert cost_of_verdict(join([], first)) == (None, "")
    labels = label(first, uniform=True, count=150)
    assert run(tmp_path, labels, "--judges", "set_step2.tries.jsonl", "judged_second") == 0
    said = capsys.readouterr().out
    assert "B decides as you in " in said
    assert "decides as you, at 7       8" in said
    assert "100% (100% to 100%)" in said
    assert "not known                  0.01 USD" in said
    assert [line for line in said.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize("said", ["yes", "no", "unsure"])
def test_labels_that_all_say_the_same_make_a_report(
    said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = label(tries_of(tmp_path, LOW), lambda number: said, count=30)
    assert run(tmp_path, labels, "--precision", "0.8") == (0 if said == "yes" else 3)
    assert "cannot be told" in (report := capsys.readouterr().out)
    assert ("carry no promise of half" in report) is (said != "yes")
