"""Judging what a cache directory has already: the price first, then the edits, and nothing is edited."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.cli.main import main
from dataflow.judging.promise import Promise, write_promise
from dataflow.testing import image_server
from tests.kit.flow import draw, read_rows, write_rows

GOOD = dict.fromkeys(("following", "preservation", "naturalness", "artefacts"), 9)


def looks(prompt: str, pictures: Sequence[bytes]) -> str:
    """A judge that compares the bytes of what it is shown."""
    is_same = len(pictures) > 1 and pictures[0] == pictures[-1]
    return json.dumps({"reasoning": "the same" if is_same else "changed", **GOOD, "following": 0 if is_same else 9})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    before, after = str(draw(tmp_path / "a.png")), str(draw(tmp_path / "b.png", "blue"))
    rows = [{"images": [before], "conversations": "make it blue", "edited_images": [each]} for each in (after, before)]
    (tmp_path / "cache").mkdir()
    write_rows(tmp_path / "cache/dataflow_cache_step_step2.jsonl", rows)
    write_rows(tmp_path / "cache/dataflow_cache_step_step1.jsonl", [{"input_text": "a"}])
    write_rows(tmp_path / "cache/dataflow_cache_step_step2.rejected.jsonl", rows[:1])
    return tmp_path / "cache"


def judge(cache: Path, *flags: str) -> int:
    with image_server(looks) as url:
        return main(["judge", str(cache), "--judge_model", "looker", "--judge_url", url, "--no_canaries", *flags])


def test_the_price_comes_first_and_nothing_is_sent(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(cache) == 0
    said = capsys.readouterr().out
    assert f"edits of {cache}/dataflow_cache_step_step2.jsonl" in said
    assert "(dry run): 2 rows" in said
    assert "Nothing was sent. Add --yes to judge them." in said
    assert not list(cache.glob("judged*"))


def test_edits_are_judged_beside_their_step_and_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(cache, "--yes") == 0
    assert [row["accepted"] for row in read_rows(cache / "judged_step1.jsonl")] == [True, False]
    capsys.readouterr()
    assert judge(cache, "--yes", "--threshold", "9.5") == 0
    assert "0 requests sent" in capsys.readouterr().out
    assert [row["accepted"] for row in read_rows(cache / "judged_step1.jsonl")] == [False, False]


def test_what_a_loop_accepted_is_judged_where_that_is_asked_for(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(cache / "dataflow_cache_step_step2.jsonl")
    write_rows(cache / "dataflow_cache_step_step3.jsonl", [{**row, "verdict": {"accepted": True}} for row in rows])
    assert judge(cache) == 0
    assert "2 rows kept: they have `verdict`; overwrite=True or --overwrite asks again" in capsys.readouterr().out
    assert judge(cache, "--overwrite", "--yes") == 0
    assert [row["accepted"] for row in read_rows(cache / "judged_step1.jsonl")] == [True, False]


def test_calibrated_thresholds_are_taken_and_another_judges_refused(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(cache, "--yes") == 0
    verdict = read_rows(cache / "judged_step1.jsonl")[0]["verdict"]
    file = tmp_path / "thresholds.json"
    write_promise(file, Promise(verdict["judge"], verdict["rubric"], 9.5, 0.9, 0.9, 22, 0))
    assert judge(cache, "--yes", "--thresholds", str(file)) == 0
    assert [row["accepted"] for row in read_rows(cache / "judged_step1.jsonl")] == [False, False]
    write_promise(file, Promise("of another", verdict["rubric"], 9.5, 0.9, 0.9, 22, 0))
    assert judge(cache, "--yes", "--thresholds", str(file)) == 1
    assert "was calibrated for judge of another" in capsys.readouterr().err


def test_another_judge_writes_under_another_prefix(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(cache, "--yes") == 0
    assert judge(cache, "--yes", "--prefix", "judged_again") == 0
    assert f"edits of {cache}/dataflow_cache_step_step2.jsonl" in capsys.readouterr().out
    assert (cache / "judged_step1.jsonl").read_bytes() == (cache / "judged_again_step1.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nowhere", "--judge_model", "m"], "nowhere is not there"),
        ([".", "--judge_model", "m"], "has no step with `edited_images`: name the file with --rows"),
    ],
)
def test_what_is_missing_is_named(
    flags: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["judge", *flags]) == 1
    assert said in capsys.readouterr().err
