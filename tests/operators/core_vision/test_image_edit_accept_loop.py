"""The accept loop as a step: what is tried, what comes out, and what is asked again when it is run again."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.core.records import Row
from dataflow.demo.judge import CheckerJudge
from dataflow.errors import ConfigError
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge, PromptedImageEditGenerator
from tests.kit.edit_loop import EditBench, always, from_then_on
from tests.kit.flow import read_rows


@pytest.fixture
def bench(tmp_path: Path) -> EditBench:
    return EditBench(tmp_path)


def test_a_row_is_tried_until_an_edit_is_accepted(bench: EditBench) -> None:
    summary = bench.run(from_then_on(1), retry="resample", tries=3)
    assert [request.repeat for request in bench.asked] == [0, 0, 1, 1]
    assert (summary.accepted, summary.accepts, dict(summary.sides)) == (
        2,
        "accepted row",
        {"rejected": 0, "tries": 4, "pairs": 2},
    )
    for row, given in zip(bench.out(), bench.rows, strict=True):
        assert row["conversations"] == given["conversations"]
        verdict = row["verdict"]
        assert (verdict["accepted"], verdict["score"], verdict["tries"], verdict["cost"]) == (True, 10, 2, 0)
        assert {"axes", "critique", "measures", "judge", "rubric"} < verdict.keys()


def test_every_edit_has_a_line_with_what_was_asked_and_said(bench: EditBench) -> None:
    bench.run(from_then_on(1), retry="critique", candidates=2)
    first, second, *others = bench.out("tries")
    assert [line["verdict"]["accepted"] for line in (first, second)] == [False, True]
    assert [(line["verdict"]["try"], line["verdict"]["candidate"]) for line in (first, second)] == [(0, 0), (0, 1)]
    assert first["verdict"]["prompt"] == bench.examples[0].instruction
    assert first["verdict"]["critique"].startswith("wrong: ")
    assert all(Path(line["edited_images"][0]).is_file() for line in (first, second, *others))
    assert bench.out()[0]["edited_images"] == second["edited_images"]


def test_pairs_have_the_better_edit_first_and_the_axis_that_tells(bench: EditBench) -> None:
    bench.run(from_then_on(1), retry="resample")
    better, worse = (line["edited_images"][0] for line in bench.out("tries")[:2][::-1])
    pair = bench.out("pairs")[0]
    assert (pair["edited_images"], pair["conversations"]) == ([better, worse], bench.rows[0]["conversations"])
    assert (pair["verdict"]["axis"], pair["verdict"]["margin"]) == ("following", 8)
    assert [each["accepted"] for each in pair["verdict"]["verdicts"]] == [True, False]
    bench.run(from_then_on(1), retry="resample", margin=9)
    assert bench.out("pairs") == []


def test_rows_without_an_accepted_edit_go_aside_and_that_is_no_failure(bench: EditBench) -> None:
    summary = bench.run(always("wrong"), retry="resample")
    assert (summary.rows, summary.failed, summary.sides["rejected"], bench.out()) == (0, 0, 2, [])
    line = bench.out("rejected")[0]
    assert [each["accepted"] for each in line["verdict"]] == [False, False]
    assert len(line["edited_images"]) == 2
    assert "2 rejected, 4 tries, 0 pairs, 0% accepted (0% to 66%)" in " ".join(str(summary).split())
    assert summary.pass_rate is not None


def test_an_earlier_editing_run_is_judged_and_nothing_of_it_is_paid_again(bench: EditBench) -> None:
    storage = bench.storage()
    PromptedImageEditGenerator(bench.editor(always("right"))).run(storage.step())
    summary = bench.run(always("right"))
    assert (bench.asked, summary.accepted) == ([], 2)


def test_a_dry_run_counts_tries_that_may_come(bench: EditBench) -> None:
    estimate = bench.run(always("right"), storage=bench.storage(dry_run=True), tries=3).estimate
    assert estimate is not None
    edits, verdicts = 2 * (1 + 0.25 + 0.25 * 0.7), 2 * 2 * (1 + 0.25 + 0.25 * 0.7)
    assert estimate.remaining == round(2 * edits + verdicts)
    assert estimate.remaining_most == 2 * 3 + 2 * 3 + 2 * 3 * 4
    assert bench.asked == []


def test_a_row_with_a_verdict_is_kept_and_counts_if_it_was_accepted(bench: EditBench) -> None:
    for row, accepted in zip(bench.rows, (True, False), strict=True):
        row["verdict"] = {"accepted": accepted}
    summary = bench.run(always("right"))
    assert (summary.kept, summary.accepted, bench.asked) == (2, 1, [])
    assert bench.run(always("right"), overwrite=True).accepted == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tries": 0}, "tries is 0"),
        ({"candidates": 0}, "candidates is 0"),
        ({"retry": "again"}, "retry"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_asked(bench: EditBench, settings: Row, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bench.run(always("right"), **settings)


def test_a_mask_reaches_the_editor_and_the_gates(bench: EditBench) -> None:
    mask = bench.folder / "mask.png"
    allowed = Image.new("L", (64, 64))
    allowed.paste(255, (0, 0, 2, 2))
    allowed.save(mask)
    bench.rows = [{**row, "mask": "mask.png"} for row in bench.rows]
    loop = ImageEditAcceptLoop(bench.editor(always("right")), ImageEditJudge(CheckerJudge(), canaries=False), tries=1)
    storage = bench.storage()
    summary = loop.run(storage.step(), input_mask_key="mask")
    assert {request.mask for request in bench.asked} == {str(mask)}
    assert summary.sides["rejected"] == 2
    (line, _) = read_rows(storage.current.side("tries"))
    assert (line["verdict"]["gate"], line["mask"]) == ("outside_mask", str(mask))
