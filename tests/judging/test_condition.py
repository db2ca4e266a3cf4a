"""The condition check: which pictures are drawn again, what a further drawing asks, and what ends the drawings."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job
from dataflow.demo.judge import CheckerJudge
from dataflow.errors import StepFailed
from tests.kit.drawing_check import DrawingBench
from tests.kit.edit_loop import Down, Mumbles, MumblesTwice, Says, always, from_then_on
from tests.kit.flow import read_rows


@pytest.fixture
def bench(tmp_path: Path) -> DrawingBench:
    return DrawingBench(tmp_path)


def test_more_redrawings_ask_only_what_is_new(bench: DrawingBench) -> None:
    asked = []
    for redraws in (0, 1, 2):
        summary = bench.run(from_then_on(2), redraws=redraws)
        asked.append((bench.repeats(), summary.requests))
    assert asked == [([0, 0], 4), ([1, 1], 4), ([2, 2], 4)]
    assert [row["condition_verdict"]["tries"] for row in bench.out()] == [3, 3]


def test_a_picture_that_stands_is_the_first_drawing_and_is_judged(bench: DrawingBench) -> None:
    for row, said in zip(bench.rows, ("right", "wrong"), strict=True):
        row["images"] = [bench.put(f"{said}.png", row["conversations"], said)]
    bench.run(always("right"))
    assert [(request.prompt, request.repeat) for request in bench.asked] == [(bench.said[1], 1)]
    first, second = bench.out()
    assert first["images"] == [str(bench.folder / "right.png")]
    assert [row["condition_verdict"]["tries"] for row in (first, second)] == [1, 2]
    assert bench.out("tries")[1]["images"] == [str(bench.folder / "wrong.png")]


def test_pictures_that_stand_for_other_descriptions_fail_the_row(bench: DrawingBench) -> None:
    name = bench.put("one.png", bench.said[0], "right")
    bench.rows[0] = {"conversations": [bench.said[0], bench.said[1]], "images": [name]}
    summary = bench.run(always("right"))
    assert (summary.failed, summary.accepted) == (1, 1)
    assert "1 pictures and describes 2" in read_rows(bench.used.current.errors)[0]["reason"]


def test_every_picture_of_a_row_must_be_good_and_only_the_bad_one_is_drawn_again(bench: DrawingBench) -> None:
    bench.rows = [{"conversations": bench.said}]
    bench.run(lambda request: "wrong" if request.prompt == bench.said[1] and not request.repeat else "right")
    assert [(request.prompt, request.repeat) for request in bench.asked[3:]] == [(bench.said[1], 1)]
    (row,) = bench.out()
    assert [each["tries"] for each in row["condition_verdict"]] == [1, 2, 1]
    assert len(set(row["images"])) == 3
    summary = bench.run(lambda request: "wrong" if request.prompt == bench.said[1] else "right", redraws=1)
    assert (summary.accepted, bench.asked) == (1, []), "the answers of the first run"


def test_pictures_of_one_description_are_redrawn_under_numbers_of_their_own(bench: DrawingBench) -> None:
    bench.rows = bench.rows[:1]
    bench.run(from_then_on(4), repeat_times=2)
    assert bench.repeats() == [0, 1, 2, 3, 4, 5]
    (row,) = bench.out()
    assert [each["tries"] for each in row["condition_verdict"]] == [3, 3]
    assert [bench.out("tries")[at]["condition_verdict"]["candidate"] for at in range(6)] == [0, 0, 0, 1, 1, 1]


def test_what_the_edit_needs_is_looked_for_in_each_picture(bench: DrawingBench) -> None:
    first, second = (bench.scenes[at].target.shapes[0] for at in (0, 2))
    there = COMPOSE.format(first.colour, first.kind, second.colour, second.kind)
    swapped = COMPOSE.format(second.colour, second.kind, first.colour, first.kind)
    for said in (there, swapped):
        bench.rows.append({"conversations": bench.said[::2], "asked": said})
    bench.rows = bench.rows[2:]
    columns = {"input_instruction_key": "asked"}
    summary = bench.run(always("right"), columns=columns, redraws=0)
    assert (summary.accepted, summary.sides["rejected"]) == (1, 1)
    (line,) = bench.out("rejected")
    assert [each["axes"]["target"] for each in line["condition_verdict"]] == [2, 2]
    assert [each["axes"]["shows"] for each in line["condition_verdict"]] == [10, 10]


def test_a_judge_that_is_down_fails_the_row_and_the_next_run_asks_it_alone(bench: DrawingBench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(always("wrong"), judge=Down())
    assert len(bench.asked) == 2, "one drawing of each row"
    assert [bench.out(side) for side in ("rejected", "tries")] == [[], []]
    assert [row["condition_verdict"] for row in bench.out()] == [[], []]
    assert bench.run(always("right"), redraws=0).sides["rejected"] == 2, "the drawings of the first run were wrong"
    assert bench.asked == []


def test_an_unjudged_drawing_buys_no_redrawing_and_stays_in_tries(bench: DrawingBench) -> None:
    bench.rows[1]["images"] = [bench.put("mine.png", bench.said[1], "right")]
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("wrong"), judge=Mumbles())
    assert len(bench.asked) == 1
    lines = bench.out("tries")
    assert [line["condition_verdict"]["accepted"] for line in lines] == [None, None]
    assert lines[1]["images"] == [str(bench.folder / "mine.png")]
    assert bench.out("rejected") == []


def test_what_was_left_unjudged_is_asked_of_the_judge_alone_by_a_run_that_asks_more_often(bench: DrawingBench) -> None:
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("right"), judge=MumblesTwice())
    summary = bench.run(always("right"), judge=MumblesTwice(), asks=3)
    assert (summary.accepted, summary.requests, bench.asked) == (2, 2, [])


def test_a_row_with_a_rejected_and_an_unjudged_picture_is_rejected(bench: DrawingBench) -> None:
    class MumblesOfRight(CheckerJudge):
        async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
            answers = await super().call(batch)
            return [Answer(text="?") if '"shows":10' in answer.text else answer for answer in answers]

    bench.rows = [{"conversations": bench.said[:2]}]
    says: Says = lambda request: "wrong" if request.prompt == bench.said[1] else "right"  # noqa: E731
    summary = bench.run(says, judge=MumblesOfRight(), redraws=1)
    assert (summary.sides["rejected"], summary.failed) == (1, 0)


def test_what_is_refused_at_first_fails_the_row_and_a_refused_redrawing_is_one_try(bench: DrawingBench) -> None:
    with pytest.raises(StepFailed, match="against the policy"):
        bench.run(always("refused"))
    assert bench.repeats() == [0, 0]
    bench.rows = [{"conversations": bench.said[2]}]
    says = {0: "wrong", 1: "refused"}
    summary = bench.run(lambda request: says.get(request.repeat, "right"))
    assert (summary.accepted, bench.repeats()) == (1, [0, 1, 2])
    assert bench.out("tries")[1]["condition_verdict"]["gate"] == "refused"
    assert bench.out("tries")[1]["images"] == []


def test_a_painter_that_is_down_fails_the_row(bench: DrawingBench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(from_then_on(1, before="down"))


COMPOSE = "put the {} {} of the first image beside the {} {} of the second"
