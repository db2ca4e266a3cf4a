"""The condition check as a step: what is drawn again, what comes out, and what is asked when it is run again."""

from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.demo.judge import DRAWN_CONDITIONS, CheckerJudge
from dataflow.errors import ConfigError
from dataflow.operators.core_vision import PromptedImageGenerator
from tests.kit.drawing_check import DrawingBench
from tests.kit.edit_loop import always, from_then_on


@pytest.fixture
def bench(tmp_path: Path) -> DrawingBench:
    return DrawingBench(tmp_path)


def test_a_picture_is_drawn_again_until_the_judge_accepts_it(bench: DrawingBench) -> None:
    summary = bench.run(from_then_on(2))
    assert bench.repeats() == [0, 0, 1, 1, 2, 2]
    assert (summary.accepted, summary.accepts, dict(summary.sides)) == (2, "accepted row", {"rejected": 0, "tries": 6})
    for row, given in zip(bench.out(), bench.rows, strict=True):
        assert row["conversations"] == given["conversations"]
        (picture,) = row["images"]
        assert Path(picture).is_file()
        verdict = row["condition_verdict"]
        assert (verdict["accepted"], verdict["tries"], verdict["cost"]) == (True, 3, 0)
        assert verdict["axes"] == {"shows": 10, "target": 10, "flaws": 10}
        assert {"score", "critique", "judge", "rubric"} < verdict.keys()
        assert "verdict" not in row, "the accept loop would take the row for done"
    first, second, third = bench.out("tries")[:3]
    assert [each["condition_verdict"]["try"] for each in (first, second, third)] == [0, 1, 2]
    assert first["condition_verdict"]["critique"] == "wrong: shape missing"
    assert third["images"] == bench.out()[0]["images"]


def test_a_row_that_was_never_drawn_well_goes_aside_so_that_its_edit_is_not_paid(bench: DrawingBench) -> None:
    summary = bench.run(lambda request: "wrong" if request.prompt == bench.said[0] else "right")
    assert (summary.rows, summary.failed, summary.sides["rejected"], summary.accepted) == (1, 0, 1, 1)
    assert [row["conversations"] for row in bench.out()] == [bench.said[1]]
    (line,) = bench.out("rejected")
    assert (line["conversations"], len(line["images"])) == (bench.said[0], 3)
    assert [each["accepted"] for each in line["condition_verdict"]] == [False] * 3


def test_a_step_all_of_whose_rows_are_rejected_is_no_failure(bench: DrawingBench) -> None:
    summary = bench.run(always("wrong"), redraws=0)
    assert (summary.failed, summary.sides["rejected"], bench.out(), bench.repeats()) == (0, 2, [], [0, 0])


def test_an_earlier_drawing_run_is_checked_and_nothing_of_it_is_paid_again(bench: DrawingBench) -> None:
    bench.rows.append({"conversations": [bench.said[2], bench.said[0], bench.said[2]]})
    bench.rows.append(dict(bench.rows[0]))
    PromptedImageGenerator(bench.painter(always("right")), repeat_times=2).run(bench.storage().step())
    assert bench.asked
    summary = bench.run(always("right"), repeat_times=2)
    assert (bench.asked, summary.accepted) == ([], 4)


def test_another_threshold_asks_nothing(bench: DrawingBench) -> None:
    bench.run(always("wrong"), redraws=0)
    summary = bench.run(always("wrong"), redraws=0, thresholds={"shows": 1})
    assert (summary.requests, summary.accepted) == (0, 2)


def test_rows_that_ask_the_same_get_drawings_of_their_own(bench: DrawingBench) -> None:
    bench.rows = [dict(bench.rows[0]) for _ in range(2)]
    summary = bench.run(from_then_on(1))
    assert (summary.accepted, bench.repeats()) == (2, [0, 0, 1, 1])
    assert len({row["images"][0] for row in bench.out()}) == 2
    assert bench.run(from_then_on(1)).requests == 0


def test_the_canaries_are_asked_first_and_once(bench: DrawingBench) -> None:
    summary = bench.run(always("right"), canaries=DRAWN_CONDITIONS)
    assert summary.requests == 3 + 2 + 2
    assert bench.run(always("right"), canaries=DRAWN_CONDITIONS).requests == 0
    with pytest.raises(ConfigError, match="fails the check 'as described'"):
        bench.run(always("right"), judge=CheckerJudge(false_reject=1.0), canaries=DRAWN_CONDITIONS)


def test_a_dry_run_counts_redrawings_that_may_come(bench: DrawingBench) -> None:
    bench.rows[0]["images"] = [bench.put("mine.png", bench.said[0], "right")]
    estimate = bench.run(always("right"), storage=bench.storage(dry_run=True)).estimate
    assert estimate is not None
    drawings = 1 + 0.56 + 0.56**2
    assert estimate.remaining == round(2 * drawings - 1 + 2 * drawings)
    assert estimate.remaining_most == 2 * 3 - 1 + 2 * 2 * 3
    assert bench.asked == []


def test_a_row_with_a_verdict_is_kept_and_counts_if_it_was_accepted(bench: DrawingBench) -> None:
    good, bad = {"accepted": True}, {"accepted": False}
    bench.rows += [{"conversations": said} for said in bench.said[:2]]
    for row, verdict in zip(bench.rows, (good, bad, [good, good], [good, bad]), strict=True):
        row["condition_verdict"] = verdict
    summary = bench.run(always("right"))
    assert (summary.kept, summary.accepted, bench.asked) == (4, 2, [])
    assert bench.run(always("right"), columns={"overwrite": True}).accepted == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"redraws": -1}, "redraws is -1"), ({"thresholds": {"following": 7}}, "no axis of the rubric: shows, target")],
)
def test_wrong_settings_are_told_before_anything_is_asked(bench: DrawingBench, settings: Row, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bench.run(always("right"), **settings)
