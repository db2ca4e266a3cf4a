"""The accept loop as a step: what is tried, what comes out, and what is asked again when it is run again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.demo.edits import Example, make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.rows import edit_row
from dataflow.demo.world import COLOURS, Scene, draw
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge, PromptedImageEditGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

Says = Callable[[Request], str]
"""Which scene an editor paints: "right", "wrong", "same"; or "refused", "down"."""

FAILURES = {"refused": Failure("refused", "against the policy"), "down": Failure("failed", "nobody is there")}


class Bench:
    """Two rows of the drawn world, and an editor that paints what a test says."""

    def __init__(self, folder: Path, *, rows: int = 2) -> None:
        self.folder = folder
        self.examples = [make_example(11, n, split="seen", operation="recolour") for n in range(rows)]
        self.asked: list[Request] = []
        self._scenes = {each.instruction: each for each in self.examples}
        self.rows = [self._row(each, f"{n}") for n, each in enumerate(self.examples)]

    def _row(self, example: Example, name: str) -> Row:
        made = edit_row(example, name)
        for file, picture in made.pictures.items():
            picture.save(self.folder / file)
        return made.row

    def storage(self, **settings: Any) -> FileStorage:
        return FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache", **settings)

    def editor(self, says: Says) -> ScriptedWorker:
        def script(request: Request) -> bytes | Failure:
            self.asked.append(request)
            example = next(each for words, each in self._scenes.items() if words in request.prompt)
            said = says(request)
            return FAILURES[said] if said in FAILURES else png(scene(example, said), f"{request.repeat}")

        return ScriptedWorker(script, save_path=self.folder / "cache" / "edits")

    def run(
        self,
        says: Says,
        *,
        judge: CheckerJudge | None = None,
        asks: int = 2,
        storage: FileStorage | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Summary:
        judging = ImageEditJudge(judge or CheckerJudge(), asks=asks, canaries=False)
        loop = ImageEditAcceptLoop(self.editor(says), judging, **settings)
        self.asked.clear()
        self.used = storage or self.storage()
        return loop.run(self.used.step(), overwrite=overwrite)

    def out(self, side: str = "") -> list[Row]:
        step = self.used.current
        return read_rows(step.side(side) if side else step.target)


def scene(example: Example, said: str) -> Scene:
    if said == "right":
        return example.target
    if said == "same":
        return example.sources[0]
    first, *others = example.target.shapes
    colour = next(each for each in COLOURS if each not in {shape.colour for shape in example.target.shapes})
    return replace(example.target, shapes=(replace(first, colour=colour), *others))


def png(found: Scene, note: str = "") -> bytes:
    """A file of its own for each note."""
    held, notes = BytesIO(), PngInfo()
    notes.add_text("note", note)
    draw(found).save(held, "PNG", pnginfo=notes)
    return held.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def from_then_on(number: int, *, before: str = "wrong") -> Says:
    """Right from this request of a prompt on."""
    return lambda request: "right" if request.repeat >= number else before


def always(said: str) -> Says:
    return lambda request: said


def test_a_row_is_tried_until_an_edit_is_accepted(bench: Bench) -> None:
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


def test_every_edit_has_a_line_with_what_was_asked_and_said(bench: Bench) -> None:
    bench.run(from_then_on(1), retry="critique", candidates=2)
    first, second, *others = bench.out("tries")
    assert [line["verdict"]["accepted"] for line in (first, second)] == [False, True]
    assert [(line["verdict"]["try"], line["verdict"]["candidate"]) for line in (first, second)] == [(0, 0), (0, 1)]
    assert first["verdict"]["prompt"] == bench.examples[0].instruction
    assert first["verdict"]["critique"].startswith("wrong: ")
    assert all(Path(line["edited_images"][0]).is_file() for line in (first, second, *others))
    assert bench.out()[0]["edited_images"] == second["edited_images"]


def test_pairs_have_the_better_edit_first_and_the_axis_that_tells(bench: Bench) -> None:
    bench.run(from_then_on(1), retry="resample")
    better, worse = (line["edited_images"][0] for line in bench.out("tries")[:2][::-1])
    pair = bench.out("pairs")[0]
    assert (pair["edited_images"], pair["conversations"]) == ([better, worse], bench.rows[0]["conversations"])
    assert (pair["verdict"]["axis"], pair["verdict"]["margin"]) == ("following", 8)
    assert [each["accepted"] for each in pair["verdict"]["verdicts"]] == [True, False]
    bench.run(from_then_on(1), retry="resample", margin=9)
    assert bench.out("pairs") == []


def test_rows_without_an_accepted_edit_go_aside_and_that_is_no_failure(bench: Bench) -> None:
    summary = bench.run(always("wrong"), retry="resample")
    assert (summary.rows, summary.failed, summary.sides["rejected"], bench.out()) == (0, 0, 2, [])
    line = bench.out("rejected")[0]
    assert [each["accepted"] for each in line["verdict"]] == [False, False]
    assert len(line["edited_images"]) == 2
    assert "2 rejected, 4 tries, 0 pairs, 0% accepted (0% to 66%)" in " ".join(str(summary).split())
    assert summary.pass_rate is not None


def test_an_earlier_editing_run_is_judged_and_nothing_of_it_is_paid_again(bench: Bench) -> None:
    storage = bench.storage()
    PromptedImageEditGenerator(bench.editor(always("right"))).run(storage.step())
    summary = bench.run(always("right"))
    assert (bench.asked, summary.accepted) == ([], 2)


def test_more_tries_and_candidates_ask_only_what_is_new(bench: Bench) -> None:
    says = from_then_on(4)
    asked = []
    for tries, candidates in ((1, 1), (2, 1), (2, 2), (3, 2)):
        bench.run(says, retry="resample", tries=tries, candidates=candidates)
        asked.append(sorted(request.repeat for request in bench.asked))
    assert asked == [[0, 0], [1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]
    assert [row["verdict"]["tries"] for row in bench.out()] == [3, 3]


def test_a_picture_that_stands_is_the_first_try_and_is_judged(bench: Bench) -> None:
    for example, row, said in zip(bench.examples, bench.rows, ("right", "wrong"), strict=True):
        (bench.folder / f"{said}.png").write_bytes(png(scene(example, said)))
        row["edited_images"] = [f"{said}.png"]
    bench.run(always("right"), retry="resample")
    assert [request.repeat for request in bench.asked] == [1]
    assert [row["verdict"]["tries"] for row in bench.out()] == [1, 2]
    assert bench.out()[0]["edited_images"] == [str(bench.folder / "right.png")]
    assert bench.out("pairs")[0]["edited_images"][1] == str(bench.folder / "wrong.png")


class Mumbles(CheckerJudge):
    """Writes no numbers."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(text="Looks good to me.") for _ in batch]


class Down(CheckerJudge):
    """Does not answer."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(error=FAILURES["down"]) for _ in batch]


def test_a_judge_that_is_down_fails_the_row_and_the_next_run_asks_it_alone(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(always("wrong"), judge=Down())
    assert len(bench.asked) == 2, "one try of each row"
    assert [bench.out(side) for side in ("rejected", "tries")] == [[], []]
    assert bench.run(always("right"), tries=1).sides["rejected"] == 2, "the edits of the first run were wrong"
    assert bench.asked == []


def test_an_unjudged_edit_buys_no_try_and_stays_in_tries(bench: Bench) -> None:
    (bench.folder / "mine.png").write_bytes(png(scene(bench.examples[1], "right")))
    bench.rows[1]["edited_images"] = ["mine.png"]
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("wrong"), judge=Mumbles(), tries=3)
    assert len(bench.asked) == 1
    lines = bench.out("tries")
    assert [line["verdict"]["accepted"] for line in lines] == [None, None]
    assert lines[1]["edited_images"] == [str(bench.folder / "mine.png")]
    assert [(row["verdict"], row["edited_images"]) for row in bench.out()] == [([], []), ([], [])]


class MumblesTwice(CheckerJudge):
    """Writes numbers when it is asked a third time."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = zip(batch, await super().call(batch), strict=True)
        return [answer if job.request.repeat >= 2000 else Answer(text="?") for job, answer in answers]


def test_what_was_left_unjudged_is_asked_of_the_judge_alone_by_a_run_that_asks_more_often(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="unjudged"):
        bench.run(always("right"), judge=MumblesTwice())
    summary = bench.run(always("right"), judge=MumblesTwice(), asks=3)
    assert (summary.accepted, summary.requests, bench.asked) == (2, 4, [])


def test_another_candidate_may_win_beside_an_unjudged_one(bench: Bench) -> None:
    class MumblesOfWrong(CheckerJudge):
        async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
            answers = await super().call(batch)
            return [Answer(text="?") if '"following":2' in answer.text else answer for answer in answers]

    bench.run(from_then_on(1), judge=MumblesOfWrong(), candidates=2)
    assert [row["verdict"]["accepted"] for row in bench.out()] == [True, True]
    assert [line["verdict"]["accepted"] for line in bench.out("tries")] == [None, True, None, True]


def test_a_refused_edit_is_the_end_of_that_candidate_alone(bench: Bench) -> None:
    summary = bench.run(from_then_on(1, before="refused"), candidates=2)
    assert summary.accepted == 2
    line = bench.out("tries")[0]
    assert line["edited_images"] == []
    assert (line["verdict"]["gate"], line["verdict"]["critique"]) == ("refused", "against the policy")
    assert bench.out("pairs") == []


def test_a_prompt_of_which_one_candidate_was_refused_is_asked_again(bench: Bench) -> None:
    says = {0: "wrong", 1: "refused"}
    summary = bench.run(lambda request: says.get(request.repeat, "right"), candidates=2, tries=3, retry="resample")
    assert (summary.accepted, len(bench.asked)) == (2, 8)


def test_a_row_of_which_all_is_refused_fails_and_the_same_is_not_asked_twice(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="against the policy"):
        bench.run(always("refused"), retry="resample", tries=3)
    assert len(bench.asked) == 2


def test_an_editor_that_is_down_fails_the_row(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="nobody is there"):
        bench.run(from_then_on(1, before="down"), candidates=2)


def test_what_falls_at_a_gate_is_not_judged_and_in_no_pair(bench: Bench) -> None:
    bench.run(from_then_on(1, before="same"), retry="resample")
    line = bench.out("tries")[0]
    assert (line["verdict"]["gate"], line["verdict"]["accepted"], "axes" in line["verdict"]) == ("no_op", False, False)
    assert (bench.out("pairs"), len(bench.out())) == ([], 2)
    bench.run(from_then_on(1, before="same"), retry="resample", gates=False)
    line = bench.out("tries")[0]
    assert ("gate" in line["verdict"], "measures" in line["verdict"], line["verdict"]["axes"]["following"]) == (
        False,
        False,
        2,
    )


class PrefersLaterNames(CheckerJudge):
    """Takes of two pictures that whose file name comes later, wherever it is shown."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = await super().call(batch)
        return [
            replace(answer, text=f'{{"better": "{"AB"[job.request.images[-1] > job.request.images[-2]]}"}}')
            if "better" in (job.request.schema or "")
            else answer
            for job, answer in zip(batch, answers, strict=True)
        ]


@pytest.mark.parametrize("pairwise", [False, True])
def test_of_several_that_pass_the_first_wins_or_the_judge_chooses(bench: Bench, pairwise: bool) -> None:
    bench.run(always("right"), candidates=3, pairwise=pairwise, judge=PrefersLaterNames())
    lines = bench.out("tries")
    for number, row in enumerate(bench.out()):
        own = lines[3 * number : 3 * number + 3]
        if pairwise:
            assert row["edited_images"] == max(line["edited_images"] for line in own)
        else:
            assert row["edited_images"] == own[0]["edited_images"]


def test_a_dry_run_counts_tries_that_may_come(bench: Bench) -> None:
    estimate = bench.run(always("right"), storage=bench.storage(dry_run=True), tries=3).estimate
    assert estimate is not None
    edits, verdicts = 2 * (1 + 0.25 + 0.25 * 0.7), 2 * 2 * (1 + 0.25 + 0.25 * 0.7)
    assert estimate.remaining == round(2 * edits + verdicts)
    assert estimate.remaining_most == 2 * 3 + 2 * 3 + 2 * 3 * 4
    assert bench.asked == []


def test_a_row_with_a_verdict_is_kept_and_counts_if_it_was_accepted(bench: Bench) -> None:
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
def test_wrong_settings_are_told_before_anything_is_asked(bench: Bench, settings: Row, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bench.run(always("right"), **settings)


def test_a_mask_reaches_the_editor_and_the_gates(bench: Bench) -> None:
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
