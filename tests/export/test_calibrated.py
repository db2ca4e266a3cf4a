"""What people's labels promise of a judge, from the cache directory's file or from a step that kept it."""

import json
from pathlib import Path

import pytest

from dataflow.export import export
from dataflow.export.calibrated import promise_of
from dataflow.judging.promise import Promise
from tests.kit.exports import BY, cache_of, card_of, row, section, verdict


@pytest.mark.parametrize(("judge", "is_ours"), [(BY["judge"], True), ("another", False)])
def test_a_calibrated_judge_is_said_to_be(tmp_path: Path, judge: str, *, is_ours: bool) -> None:
    low = verdict(axes={"following": 8.0, "preservation": 7.0})
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, verdict=verdict()), row(tmp_path, 2, verdict=low)])
    promise = {**BY, "judge": judge, "at": 7.5, "precision": 0.9, "confidence": 0.95, "accepted": 120, "bad": 4}
    (cache / "thresholds.json").write_text(json.dumps({"version": 1, **promise}))
    export(cache, "hf", tmp_path / "out")
    said = section(card_of(tmp_path / "out"), "Judge")
    words = "calibrated: at least 90% good where each axis has 7.5 or more (confidence 95%, 4 of 120 labelled were bad)"
    assert (f"2 records; {words}; reached by 1 of these records" in said) is is_ours
    assert ("not calibrated" in said) is not is_ours


def test_a_promise_by_which_a_step_judged_stands_in_the_card_wherever_its_file_lies(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, verdict=verdict())])
    (meta,) = (path.with_suffix(".meta.json") for path in cache.glob("*_step?.jsonl"))
    judged = {"passes": 1, "promise": Promise(BY["judge"], BY["rubric"], 8.0, 0.9, 0.9, 22, 0).as_row()}
    meta.write_text(json.dumps({"summary": {"judged": judged}}))
    export(cache, "hf", tmp_path / "out")
    assert "at least 90% good where each axis has 8 or more" in section(card_of(tmp_path / "out"), "Judge")


def test_a_promise_of_another_rubric_or_in_a_broken_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "thresholds.json").write_text("{broken")
    kept = {"summary": {"judged": {"passes": 1, "promise": Promise("j", "r", 8.0, 0.9, 0.9, 22, 0).as_row()}}}
    assert promise_of(tmp_path, {"a_step1": kept}, "j", "another") is None
    found = promise_of(tmp_path, {"a_step1": {}, "a_step2": kept}, "j", "r")
    assert found is not None
    assert found.at == 8.0
