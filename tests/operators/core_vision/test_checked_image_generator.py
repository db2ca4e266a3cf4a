"""The condition check as a step: what is drawn again, what comes out, and what is asked when it is run again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.demo.edits import make_example
from dataflow.demo.judge import DRAWN_CONDITIONS, CheckerJudge
from dataflow.demo.understanding import described_scene
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import CheckedImageGenerator, PromptedImageGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.operators.core_vision.test_image_edit_accept_loop import FAILURES, Down, Mumbles, MumblesTwice, png

Says = Callable[[Request], str]
"""What a painter draws: "right", "wrong" (a shape is missing); or "refused", "down"."""

COMPOSE = "put the {} {} of the first image beside the {} {} of the second"


class Bench:
    """Rows of the drawn world, and a painter that draws what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = [make_example(31, n, operation="draw") for n in range(3)]
        self.said = [each.instruction for each in self.scenes]
        self.rows: list[Row] = [{"conversations": said} for said in self.said[:2]]
        self.asked: list[Request] = []

    def painter(self, says: Says) -> ScriptedWorker:
        def script(request: Request) -> bytes | Failure:
            self.asked.append(request)
            said = says(request)
            return FAILURES[said] if said in FAILURES else self.drawing(request.prompt, said, request.repeat)

        return ScriptedWorker(script, save_path=self.folder / "cache" / "drawings")

    def drawing(self, description: str, said: str, note: int = 0) -> bytes:
        target = described_scene(description)
        shown = target if said == "right" else replace(target, shapes=target.shapes[1:])
        return png(shown, f"{note}")

    def put(self, name: str, description: str, said: str) -> str:
        """A picture that stands, by its name."""
        (self.folder / name).write_bytes(self.drawing(description, said))
        return name

    def storage(self, **settings: Any) -> FileStorage:
        return FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache", **settings)

    def run(
        self,
        says: Says,
        *,
        judge: CheckerJudge | None = None,
        storage: FileStorage | None = None,
        columns: Row | None = None,
        canaries: Any = False,
        **settings: Any,
    ) -> Summary:
        self.asked.clear()
        operator = CheckedImageGenerator(self.painter(says), judge or CheckerJudge(), canaries=canaries, **settings)
        self.used = storage or self.storage()
        return operator.run(self.used.step(), **(columns or {}))

    def out(self, side: str = "") -> list[Row]:
        step = self.used.current
        return read_rows(step.side(side) if side else step.target)

    def repeats(self) -> list[int]:
        return sorted(request.repeat for request in self.asked)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def right_from(number: int, *, before: str = "wrong") -> Says:
    """Right from this request of a prompt on."""
    return lambda request: "right" if request.repeat >= number else before


def always(said: str) -> Says:
    return lambda request: said


def test_a_picture_is_drawn_again_until_the_judge_accepts_it(bench: Bench) -> None:
    summary = bench.run(right_from(2))
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


def test_a_row_that_was_never_drawn_well_goes_aside_so_that_its_edit_is_not_paid(bench: Bench) -> None:
    summary = bench.run(lambda request: "wrong" if request.prompt == bench.said[0] else "right")
    assert (summary.rows, summary.failed, summary.sides["rejected"], summary.accepted) == (1, 0, 1, 1)
    assert [row["conversations"] for row in bench.out()] == [bench.said[1]]
    (line,) = bench.out("rejected")
    assert (line["conversations"], len(line["images"])) == (bench.said[0], 3)
    assert [each["accepted"] for each in line["condition_verdict"]] == [False] * 3


def test_a_step_all_of_whose_rows_are_rejected_is_no_failure(bench: Bench) -> None:
    summary = bench.run(always("wrong"), redraws=0)
    assert (summary.failed, summary.sides["rejected"], bench.out(), bench.repeats()) == (0, 2, [], [0, 0])


def test_an_earlier_drawing_run_is_checked_and_nothing_of_it_is_paid_again(bench: Bench) -> None:
    bench.rows.append({"conversations": [bench.said[2], bench.said[0], bench.said[2]]})
    bench.rows.append(dict(bench.rows[0]))
    PromptedImageGenerator(bench.painter(always("right")), repeat_times=2).run(bench.storage().step())
    assert bench.asked
    summary = bench.run(always("right"), repeat_times=2)
    assert (bench.asked, summary.accepted) == ([], 4)


def test_more_redrawings_ask_only_what_is_new(bench: Bench) -> None:
    asked = []
    for redraws in (0, 1, 2):
        summary = bench.run(right_from(2), redraws=redraws)
        asked.append((bench.repeats(), summary.requests))
    assert asked == [([0, 0], 4), ([1, 1], 4), ([2, 2], 4)]
    assert [row["condition_verdict"]["tries"] for row in bench.out()] == [3, 3]


def test_another_threshold_asks_nothing(bench: Bench) -> None:
    bench.run(always("wrong"), redraws=0)
    summary = bench.run(always("wrong"), redraws=0, thresholds={"shows": 1})
    assert (summary.requests, summary.accepted) == (0, 2)


def test_a_picture_that_stands_is_the_first_drawing_and_is_judged(bench: Bench) -> None:
    for row, said in zip(bench.rows, ("right", "wrong"), strict=True):
        row["images"] = [bench.put(f"{said}.png", row["conversations"], said)]
    bench.run(always("right"))
    assert [(request.prompt, request.repeat) for request in bench.asked] == [(bench.said[1], 1)]
    first, second = bench.out()
    assert first["images"] == [str(bench.folder / "right.png")]
    assert [row["condition_verdict"]["tries"] for row in (first, second)] == [1, 2]
    assert bench.out("tries")[1]["images"] == [str(bench.folder / "wrong.png")]


def test_pictures_that_stand_for_other_descriptions_fail_the_row(bench: Bench) -> None:
    name = bench.put("one.png", bench.said[0], "right")
    bench.rows[0] = {"conversations": [bench.said[0], bench.said[1]], "images": [name]}
    summary = bench.run(always("right"))
    assert (summary.failed, summary.accepted) == (1, 1)
    assert "1 pictures and describes 2" in read_rows(bench.used.current.errors)[0]["reason"]


def test_every_picture_of_a_row_must_be_good_and_only_the_bad_one_is_drawn_again(bench: Bench) -> None:
    bench.rows = [{"conversations": bench.said}]
    bench.run(lambda request: "wrong" if request.prompt == bench.said[1] and not request.repeat else "right")
    assert [(request.prompt, request.repeat) for request in bench.asked[3:]] == [(bench.said[1], 1)]
    (row,) = bench.out()
    assert [each["tries"] for each in row["condition_verdict"]] == [1, 2, 1]
    assert len(set(row["images"])) == 3
    summary = bench.run(lambda request: "wrong" if request.prompt == bench.said[1] else "right", redraws=1)
    assert (summary.accepted, bench.asked) == (1, []), "the answers of the first run"


def test_pictures_of_one_description_are_redrawn_under_numbers_of_their_own(bench: Bench) -> None:
    bench.rows = bench.rows[:1]
    bench.run(right_from(4), repeat_times=2)
    assert bench.repeats() == [0, 1, 2, 3, 4, 5]
    (row,) = bench.out()
    assert [each["tries"] for each in row["condition_verdict"]] == [3, 3]
    assert [bench.out("tries")[at]["condition_verdict"]["candidate"] for at in range(6)] == [0, 0, 0, 1, 1, 1]


def test_rows_that_ask_the_same_get_drawings_of_their_own(bench: Bench) -> None:
    bench.rows = [dict(bench.rows[0]) for _ in range(2)]
    summary = bench.run(right_from(1))
    assert (summary.accepted, bench.repeats()) == (2, [0, 0, 1, 1])
    assert len({row["images"][0] for row in bench.out()}) == 2
    assert bench.run(right_from(1)).requests == 0


def test_what_the_edit_needs_is_looked_for_in_each_picture(bench: Bench) -> None:
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


def test_a_judge_that_is_down_fails_the_row_and_the_next_run_asks_it_alone(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(always("wrong"), judge=Down())
    assert len(bench.asked) == 2, "one drawing of each row"
    assert [bench.out(side) for side in ("rejected", "tries")] == [[], []]
    assert [row["condition_verdict"] for row in bench.out()] == [[], []]
    assert bench.run(always("right"), redraws=0).sides["rejected"] == 2, "the drawings of the first run were wrong"
    assert bench.asked == []


def test_an_unjudged_drawing_buys_no_redrawing_and_stays_in_tries(bench: Bench) -> None:
    bench.rows[1]["images"] = [bench.put("mine.png", bench.said[1], "right")]
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("wrong"), judge=Mumbles())
    assert len(bench.asked) == 1
    lines = bench.out("tries")
    assert [line["condition_verdict"]["accepted"] for line in lines] == [None, None]
    assert lines[1]["images"] == [str(bench.folder / "mine.png")]
    assert bench.out("rejected") == []


def test_what_was_left_unjudged_is_asked_of_the_judge_alone_by_a_run_that_asks_more_often(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("right"), judge=MumblesTwice())
    summary = bench.run(always("right"), judge=MumblesTwice(), asks=3)
    assert (summary.accepted, summary.requests, bench.asked) == (2, 2, [])


def test_a_row_with_a_rejected_and_an_unjudged_picture_is_rejected(bench: Bench) -> None:
    class MumblesOfRight(CheckerJudge):
        async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
            answers = await super().call(batch)
            return [Answer(text="?") if '"shows":10' in answer.text else answer for answer in answers]

    bench.rows = [{"conversations": bench.said[:2]}]
    says: Says = lambda request: "wrong" if request.prompt == bench.said[1] else "right"  # noqa: E731
    summary = bench.run(says, judge=MumblesOfRight(), redraws=1)
    assert (summary.sides["rejected"], summary.failed) == (1, 0)


def test_what_is_refused_at_first_fails_the_row_and_a_refused_redrawing_is_one_try(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="against the policy"):
        bench.run(always("refused"))
    assert bench.repeats() == [0, 0]
    bench.rows = [{"conversations": bench.said[2]}]
    says = {0: "wrong", 1: "refused"}
    summary = bench.run(lambda request: says.get(request.repeat, "right"))
    assert (summary.accepted, bench.repeats()) == (1, [0, 1, 2])
    assert bench.out("tries")[1]["condition_verdict"]["gate"] == "refused"
    assert bench.out("tries")[1]["images"] == []


def test_a_painter_that_is_down_fails_the_row(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(right_from(1, before="down"))


def test_the_canaries_are_asked_first_and_once(bench: Bench) -> None:
    summary = bench.run(always("right"), canaries=DRAWN_CONDITIONS)
    assert summary.requests == 3 + 2 + 2
    assert bench.run(always("right"), canaries=DRAWN_CONDITIONS).requests == 0
    with pytest.raises(ConfigError, match="fails the check 'as described'"):
        bench.run(always("right"), judge=CheckerJudge(false_reject=1.0), canaries=DRAWN_CONDITIONS)


def test_a_dry_run_counts_redrawings_that_may_come(bench: Bench) -> None:
    bench.rows[0]["images"] = [bench.put("mine.png", bench.said[0], "right")]
    estimate = bench.run(always("right"), storage=bench.storage(dry_run=True)).estimate
    assert estimate is not None
    drawings = 1 + 0.56 + 0.56**2
    assert estimate.remaining == round(2 * drawings - 1 + 2 * drawings)
    assert estimate.remaining_most == 2 * 3 - 1 + 2 * 2 * 3
    assert bench.asked == []


def test_a_row_with_a_verdict_is_kept_and_counts_if_it_was_accepted(bench: Bench) -> None:
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
def test_wrong_settings_are_told_before_anything_is_asked(bench: Bench, settings: Row, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bench.run(always("right"), **settings)
