"""What is said of an edit is on the disk at once, the last word counts, and a broken file is named."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.calibration.labels import Label, Sample, append_label, label_of, read_labels
from dataflow.errors import InputError, NotStored

A, B = "a" * 64, "b" * 64
DRAWN = Sample("upper", 0.4, 7.0, 3, "judge", "rubric")


def test_a_label_comes_back_as_it_was_said(tmp_path: Path) -> None:
    said = [
        Label(A, "no", row="x_step1.tries.jsonl:7", path="/p/a.png", reasons=("text",), seconds=4.25, sample=DRAWN),
        Label(A, "yes", shown=2),
        Label(A, "reject", "verdict"),
    ]
    for label in said:
        append_label(tmp_path / "new/labels.jsonl", label)
    assert read_labels(tmp_path / "new/labels.jsonl") == said


def test_no_file_is_no_label(tmp_path: Path) -> None:
    assert read_labels(tmp_path / "labels.jsonl") == []


def test_the_last_word_on_a_showing_counts_and_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    for label in (Label(A, "no"), Label(B, "yes"), Label(A, "unsure"), Label(A, "yes", shown=2), Label(B, "withdrawn")):
        append_label(path, label)
    assert read_labels(path) == [Label(A, "unsure"), Label(A, "yes", shown=2)]
    assert len(path.read_bytes().splitlines()) == 5


def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    append_label(path, Label(A, "yes"))
    whole = path.read_bytes()
    for length in range(1, len(whole) - 1):
        path.write_bytes(whole + whole[:length])
        assert read_labels(path) == [Label(A, "yes")]
    append_label(path, Label(B, "no"))
    assert read_labels(path) == [Label(A, "yes"), Label(B, "no")]
    assert len(path.read_bytes().splitlines()) == 2


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(f'{{"picture": "{A}", "label": "yes"}}')
    assert read_labels(path) == [Label(A, "yes")]
    append_label(path, Label(B, "no"))
    assert read_labels(path) == [Label(A, "yes"), Label(B, "no")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "`picture` is None; expected the SHA-256"),
        ({"picture": A}, "`label` is None; expected one of yes, no, unsure, withdrawn"),
        ({"picture": "../x", "label": "yes"}, "expected the SHA-256 of the edit's file, 64 hex digits"),
        ({"picture": A, "label": "accept"}, "`label` is 'accept'; expected one of yes"),
        ({"picture": A, "label": "yes", "kind": "verdict"}, "expected one of accept, reject, withdrawn"),
        ({"picture": A, "label": "yes", "kind": "word"}, "`kind` is 'word'; expected one of label, verdict"),
        ({"picture": A, "label": ["yes"]}, "`label` is ['yes']"),
        ({"picture": A, "label": "yes", "reasons": "text"}, "`reasons` is 'text'; expected a list of names"),
        ({"picture": A, "label": "yes", "seconds": float("nan")}, "`seconds` is nan"),
        ({"picture": A, "label": "yes", "shown": 0}, "`shown` is 0; expected a number from 1"),
        ({"picture": A, "label": "yes", "sample": 3}, "`sample` is 3"),
        ({"picture": A, "label": "yes", "sample": {"stratum": "top"}}, "`sample`: `probability` is None"),
        (
            {"picture": A, "label": "yes", "sample": {"stratum": "top", "probability": 1, "threshold": 7}},
            "`sample`: `stratum` is 'top'; expected one of upper, lower, all",
        ),
        (
            {"picture": A, "label": "yes", "sample": {"stratum": "all", "probability": 1, "threshold": 7, "copies": 0}},
            "`sample`: `copies` is 0; expected a number from 1",
        ),
        (
            {"picture": A, "label": "yes", "sample": {"stratum": "all", "probability": 0, "threshold": 7}},
            "`sample`: `probability` is 0; expected a share above 0",
        ),
    ],
)
def test_what_is_no_label_is_refused_with_its_place(row: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=r"^here: ") as caught:
        label_of(row, "here")
    assert said in str(caught.value)


def test_a_broken_line_among_others_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(f'{{"picture": "{A}", "label": "yes"}}\n\n{{"picture"\n')
    with pytest.raises(InputError, match=r"labels\.jsonl:3: not valid JSON"):
        read_labels(path)


def test_what_the_disk_does_not_take_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotStored, match=r"cannot write .*file.*: "):
        append_label(tmp_path / "file/labels.jsonl", Label(A, "yes"))
    (tmp_path / "labels.jsonl").mkdir()
    with pytest.raises(NotStored, match="Is a directory"):
        append_label(tmp_path / "labels.jsonl", Label(A, "yes"))


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b"x" * (1 << 20))
    with pytest.raises(InputError, match="it is no file of labels"):
        append_label(path, Label(A, "yes"))
    assert path.stat().st_size == 1 << 20


def test_several_processes_lose_nothing(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from dataflow.calibration.labels import Label, append_label
for number in range(50):
    append_label(Path("labels.jsonl"), Label(f"{int(sys.argv[1]) * 50 + number:064x}", "yes", row="r" * number))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(n)], cwd=tmp_path, env=environment) for n in range(3)
    ]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert len(read_labels(tmp_path / "labels.jsonl")) == 150


def test_a_later_word_takes_a_picture_out_of_no_sample(tmp_path: Path) -> None:
    path, everywhere = tmp_path / "labels.jsonl", replace(DRAWN, stratum="all")
    larger = replace(everywhere, probability=0.9, copies=3)
    for label in (Label(A, "no", sample=DRAWN), Label(A, "yes", sample=everywhere), Label(A, "yes", sample=larger)):
        append_label(path, label)
    append_label(path, Label(A, "unsure"))
    (found,) = read_labels(path)
    assert (found.label, found.samples) == ("unsure", (DRAWN, larger))
