"""No-ops in the stream: asked along with a row's own questions, counted, and written nowhere."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dataflow.core.records import Answer, Job, Row
from dataflow.core.source import Ended, Settled, Source
from dataflow.core.worker import Billing
from dataflow.demo.judge import DRAWN_CANARIES, CheckerJudge
from dataflow.errors import Failure, StepFailed
from dataflow.flow.recipe import Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import make_judge
from dataflow.judging.no_ops import ACCEPTED, ASKED, is_chosen, with_no_op
from dataflow.judging.rubric import Kind
from dataflow.judging.verdict import EDITS_ACCEPTED
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import write_rows

ASKED_FOR = "Paint the red star blue."
GIVEN, EDIT = (DRAWN_CANARIES.with_name(f"{name}.png") for name in ("given", "recoloured"))


def test_about_one_row_in_fifty_is_chosen_wherever_its_pictures_lie() -> None:
    chosen = [is_chosen([f"/a/{number}.png"], ASKED_FOR) for number in range(10_000)]
    assert 150 < sum(chosen) < 250
    assert chosen == [is_chosen([f"elsewhere/{number}.png"], ASKED_FOR) for number in range(10_000)]


class SeesNoNoOp(CheckerJudge):
    """Praises a picture as an edit of itself, unless it is asked about its canaries."""

    said = Answer(text='{"following": 9, "preservation": 10}')

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = zip(batch, await super().call(batch), strict=True)
        return [self.said if self.is_no_op(job) else answer for job, answer in answers]

    def is_no_op(self, job: Job) -> bool:
        first, *others = job.request.images
        return others == [first] and Path(first).parent != DRAWN_CANARIES.parent


class Refuses(SeesNoNoOp):
    said = Answer(error=Failure("refused", "policy"))


class Mumbles(SeesNoNoOp):
    said = Answer(text="?")


class IsDown(SeesNoNoOp):
    said = Answer(error=Failure("failed", "nobody is there"))


def save_apart(picture: Path, path: Path) -> None:
    """The same pixels in a file of its own for each name."""
    notes = PngInfo()
    notes.add_text("name", path.name)
    Image.open(picture).save(path, pnginfo=notes)


class Bench:
    """Two rows, of which the first is chosen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = [f"{number}.png" for number in range(1000)]
        chosen = next(name for name in names if is_chosen([name], ASKED_FOR))
        other = next(name for name in names if not is_chosen([name], ASKED_FOR))
        self.rows = [self.row(chosen), self.row(other)]

    def row(self, name: str) -> dict[str, object]:
        save_apart(GIVEN, self.folder / name)
        return {"images": [str(self.folder / name)], "conversations": ASKED_FOR, "edited_images": [str(EDIT)]}

    def storage(self, *, limit: int | None = None) -> FileStorage:
        return FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache", limit=limit)

    def judged(self, judge: CheckerJudge, *, canaries: bool = True, limit: int | None = None) -> Summary:
        self.used = self.storage(limit=limit)
        operator = ImageEditJudge(judge, canaries=DRAWN_CANARIES if canaries else False)
        return operator.run(self.used.step())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_judge_that_accepts_one_is_told_of_and_no_row_has_it(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.judged(SeesNoNoOp(), canaries=False)
    alone = bench.used.current.target.read_bytes()
    bench.folder.joinpath("cache").rename(bench.folder / "earlier")
    with caplog.at_level(logging.WARNING):
        summary = bench.judged(SeesNoNoOp())
    assert summary.sides == {EDITS_ACCEPTED: 2, ASKED: 1, ACCEPTED: 1}
    assert "1 no-ops judged, 1 no-ops accepted" in " ".join(str(summary).split())
    (warning,) = caplog.records
    assert warning.message.startswith("the judge accepted 1 of 1 pictures that it was shown as edits of themselves")
    assert bench.used.current.target.read_bytes() == alone
    assert len([*bench.folder.glob("cache/*step1*")]) == 2, "the step's file and what it came to"


def test_a_judge_that_sees_rejects_it_and_a_resumed_run_asks_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.judged(CheckerJudge())
    again = bench.judged(CheckerJudge())
    assert (first.requests, again.requests) == (6 + 2 + 1 + 1, 0)
    assert first.sides == again.sides == {EDITS_ACCEPTED: 2, ASKED: 1}
    assert not caplog.records


def test_of_rows_that_were_judged_without_them_none_is_asked(bench: Bench) -> None:
    bench.judged(CheckerJudge(), canaries=False)
    summary = bench.judged(CheckerJudge())
    assert (summary.requests, summary.sides) == (0, {EDITS_ACCEPTED: 2})


def test_a_step_half_done_asks_for_the_rows_that_are_left(bench: Bench) -> None:
    bench.rows.reverse()
    bench.judged(CheckerJudge(), canaries=False, limit=1)
    summary = bench.judged(CheckerJudge())
    assert (summary.requests, summary.sides) == (6 + 1 + 1, {EDITS_ACCEPTED: 2, ASKED: 1})


@pytest.mark.parametrize("judge", [Refuses, Mumbles, IsDown])
def test_what_is_not_answered_fails_no_row_and_is_not_counted(judge: type[CheckerJudge], bench: Bench) -> None:
    summary = bench.judged(judge())
    assert (summary.rows, summary.failed, summary.sides) == (2, 0, {EDITS_ACCEPTED: 2})


def test_a_dry_run_counts_them(bench: Bench) -> None:
    bench.judged(CheckerJudge())
    storage = FileStorage(bench.folder / "rows.jsonl", bench.folder / "other", dry_run=True)
    estimate = ImageEditJudge(CheckerJudge(), canaries=DRAWN_CANARIES).run(storage.step()).estimate
    assert estimate is not None
    assert estimate.remaining == 6 + (2 + 1) + 2, "that two rows ask about one picture alone, it does not know"
    assert estimate.remaining_most == 6 + (4 + 1) + 4


def test_the_accept_loop_asks_them_too_and_charges_no_row_for_them(bench: Bench) -> None:
    bench.rows = [{**row, "edited_images": []} for row in bench.rows]
    outputs = []
    for canaries in (False, DRAWN_CANARIES):
        storage = FileStorage(
            write_rows(bench.folder / "rows.jsonl", bench.rows), bench.folder / f"cache{bool(canaries)}"
        )
        editor = ScriptedWorker([EDIT.read_bytes()] * 2, save_path=bench.folder / "edits")
        loop = ImageEditAcceptLoop(editor, ImageEditJudge(SeesNoNoOp(), canaries=canaries))
        summary = loop.run(storage.step())
        step = storage.current
        outputs.append([path.read_bytes() for path in (step.target, step.side("tries"), step.side("pairs"))])
    assert outputs[0] == outputs[1]
    assert summary.sides == {"rejected": 0, "tries": 2, "pairs": 0, ASKED: 1, ACCEPTED: 1}


class IsDownForPairs(CheckerJudge):
    """Answers nothing about two pictures, but for its canaries."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = zip(batch, await super().call(batch), strict=True)
        return [IsDown.said if self.is_pair(job) else answer for job, answer in answers]

    def is_pair(self, job: Job) -> bool:
        first, *others = job.request.images
        return bool(others) and Path(first).parent != DRAWN_CANARIES.parent


def test_a_row_whose_edit_is_its_source_is_asked_again_as_any_other(bench: Bench) -> None:
    bench.rows = [{**row, "edited_images": row["images"]} for row in bench.rows]  # so it asks what its no-op asks
    with pytest.raises(StepFailed):
        bench.judged(IsDownForPairs())
    summary = bench.judged(CheckerJudge())
    assert (summary.failed, summary.requests) == (0, 2)


class Seen(Source):
    """Rows of which it notes what they came to."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows, self.ended = rows, list[Ended]()

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        return dict(self.rows[index])

    def settle(self, index: int, ended: Ended) -> Settled:
        self.ended.append(ended)
        return Settled(ended.rows, ended.sides, ended.error)


class KeepAccepted(GeneratorOperator):
    """Has no output column: what a judge accepts goes on."""

    def __init__(self, judge: CheckerJudge) -> None:
        super().__init__({"judge": judge})
        self.judge = make_judge(judge, None, 7.0, canaries=DRAWN_CANARIES)

    def run(self, storage: FileStorage | Step, source: Source | None = None) -> Summary:
        return self.execute(storage, inputs=() if source else ("images",), source=source)

    def steps(self, row: Row, columns: Columns) -> Steps:
        assert self.judge is not None
        images, instruction = row["images"], row["conversations"]
        asking = self.judge.judge(images, row["edited_images"][0], instruction, Kind())
        (verdict,), counted = yield from with_no_op([asking], self.judge, images, instruction)
        return [*([row] if verdict.accepted else []), *counted]


@pytest.mark.parametrize("judge", [Refuses, Mumbles, IsDown])
def test_what_is_not_answered_keeps_no_row_from_going_on(judge: type[CheckerJudge], bench: Bench) -> None:
    summary = KeepAccepted(judge()).run(bench.storage().step())
    assert (summary.rows, summary.failed, summary.sides) == (2, 0, {})


class Charges(CheckerJudge):
    """Tells what each answer cost."""

    def billing(self) -> Billing:
        return Billing("judge")

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [replace(answer, usage={"cost": 0.01}) for answer in await super().call(batch)]


def test_a_source_is_told_the_same_cost_of_a_row_with_and_without_it(bench: Bench) -> None:
    for number, row in enumerate(bench.rows):  # one edit would be asked about once, and paid by one row
        edit = bench.folder / f"edit_{number}.png"
        save_apart(EDIT, edit)
        row["edited_images"] = [str(edit)]
    source = Seen(bench.rows)
    KeepAccepted(Charges()).run(FileStorage(cache_path=bench.folder / "cache").step(), source)
    chosen, other = source.ended
    assert chosen.cost == other.cost == 20_000_000
