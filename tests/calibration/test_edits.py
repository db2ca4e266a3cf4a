"""Edits with a judge's numbers are read from step files, and the file that has them is found."""

from pathlib import Path

import pytest

from dataflow.calibration.edits import judged_file, read_edits
from dataflow.errors import ConfigError, InputError
from tests.calibration.judged import JUDGE, RUBRIC, tries_of, verdict
from tests.kit.flow import write_rows

HALF = [9.0 if number % 2 else 3.0 for number in range(400)]


def test_only_edits_with_a_judges_numbers_are_read(tmp_path: Path) -> None:
    a, b, c = (str(tmp_path / f"{name}.png") for name in "abc")
    refused = {"accepted": False, "gate": "refused"}
    rows = [
        {"edited_images": [a], "verdict": verdict(8, 4)},
        {"edited_images": [], "verdict": refused},
        {"edited_images": [b], "verdict": {"accepted": False, "gate": "no_op", "measures": {"coarse": 1}}},
        {"edited_images": [b], "verdict": {"accepted": None, "judge": JUDGE, "rubric": RUBRIC}},
        {"edited_images": [b, c], "verdict": [refused, verdict(9, 9), verdict(2, 9)], "sub_type": "move"},
        {"edited_images": [a], "verdict": verdict(1, 1)},
        {"edited_images": a, "verdict": None},
    ]
    write_rows(tmp_path / "x_step1.jsonl", rows)
    found = [(each.path, each.lowest, each.row, each.operation) for each in read_edits(tmp_path / "x_step1.jsonl")]
    assert found == [
        (a, 4, "x_step1.jsonl:1", ""),
        (b, 9, "x_step1.jsonl:5", "move"),
        (c, 2, "x_step1.jsonl:5", "move"),
    ]


def test_an_accept_loops_tries_go_before_its_rows(tmp_path: Path) -> None:
    tries = tries_of(tmp_path, HALF)
    write_rows(tmp_path / "set_step2.rejected.jsonl", [{"edited_images": [], "verdict": [verdict(1)]}])
    assert judged_file(tmp_path) == judged_file(tmp_path, "set") == tries
    assert judged_file(tmp_path, "set_step2.rejected.jsonl") == tmp_path / "set_step2.rejected.jsonl"
    write_rows(tmp_path / "judged_step1.jsonl", [{"edited_images": ["a.png"], "verdict": verdict(9)}])
    assert judged_file(tmp_path, "judged") == tmp_path / "judged_step1.jsonl"


@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        ("nowhere", "", "nowhere is not there"),
        (".", "", "has no step with verdicts in `verdict`: judge it first"),
        (".", "other", "has no step of the prefix 'other' with verdicts"),
    ],
)
def test_what_is_missing_is_named(folder: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        judged_file(tmp_path / folder, name)


@pytest.mark.parametrize("at", [None, "8", True, float("inf")])
def test_an_axis_without_a_number_is_refused_with_its_place(at: object, tmp_path: Path) -> None:
    said = {"accepted": True, "axes": {"following": 9, "preservation": at}, "judge": JUDGE}
    write_rows(tmp_path / "x_step1.jsonl", [{"edited_images": ["/a.png"], "verdict": said}])
    with pytest.raises(InputError, match=r"x_step1\.jsonl:1: `verdict` says .* of the axis preservation; expected"):
        list(read_edits(tmp_path / "x_step1.jsonl"))
