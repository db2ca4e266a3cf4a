"""Rows of an accepted set that somebody refuses, cannot judge or cannot read, and what takes their place."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow.core.records import NANO, Answer, Job, Row
from dataflow.errors import ConfigError, Failure
from dataflow.flow.summary import Summary
from dataflow.operators.core_text import EditInstructionGenerator, EditPromptGenerator
from dataflow.operators.core_vision import (
    CheckedImageGenerator,
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.operators.core_vision.triplet_intake import Intake
from dataflow.operators.core_vision.triplet_parts import Painter
from dataflow.quota.costs import Prices
from dataflow.quota.next_row import Account
from dataflow.quota.quota import Quota
from dataflow.testing.pictures import plain_png
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows
from tests.kit.triplets import (
    PRICES,
    Eye,
    Hand,
    Looker,
    Pen,
    World,
    accept_loop,
    likely_world,
    quota_report,
    rows,
    run_synthesizer,
    two_pictures,
)

MIX = {"move": 2.0, "zoom": 1.0}


@dataclass(eq=False)
class RefusingHand(Hand):
    """Refuses to edit again."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        (job,) = batch
        if job.request.repeat:
            return [Answer(error=Failure("refused", "not this one again"))]
        return await super().call(batch)


class ShyEye(Eye):
    """Does not judge a third of the edits: it refuses, or says nothing that can be read."""

    says: Answer = Answer(text="It looks fine.")

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [self.says if _is_third(job) else self._answer(job) for job in batch]


class RefusingEye(ShyEye):
    """Refuses to."""

    says = Answer(error=Failure("refused", "against the policy"))


def _is_third(job: Job) -> bool:
    return zlib.crc32(job.request.prompt.encode()) % 3 == 0


def synthesizer(
    folder: Path,
    quota: Quota | None,
    *,
    hand: type[Hand] = Hand,
    eye: type[Eye] = Eye,
    checker: type[Eye] | None = None,
) -> TripletSynthesizer:
    of, (wrong, right) = likely_world(1, cost=0.07), two_pictures(folder)
    judge = ImageEditJudge(eye(right), canaries=False)
    loop = ImageEditAcceptLoop(hand("editor", of, [wrong, right]), judge, tries=3, retry="resample", gates=False)
    drawer = Hand("painter", of, [wrong, right])
    painter: Painter = PromptedImageGenerator(drawer)
    if checker is not None:
        painter = CheckedImageGenerator(drawer, checker(right), canaries=False)
    return TripletSynthesizer(EditPromptGenerator(Pen(), languages=["en"], n=8), painter, loop, quota=quota)


def storage(folder: Path) -> FileStorage:
    return FileStorage(cache_path=folder / "cache", prices=dict(PRICES))


def test_a_row_of_which_the_last_edit_is_refused_is_rejected_and_not_made_again(tmp_path: Path) -> None:
    summary = synthesizer(tmp_path, None, hand=RefusingHand).run(storage(tmp_path).step())
    assert len(rows(tmp_path, "written.")) == len(rows(tmp_path, "drawn.")) == 8
    assert summary.rows + len(rows(tmp_path, "rejected.")) == 8
    assert {each["gate"] for row in rows(tmp_path, "rejected.") for each in row["verdict"][1:]} == {"refused"}


def test_what_an_editor_refuses_to_make_better_is_in_the_account(tmp_path: Path) -> None:
    synthesizer(tmp_path, Quota(20, mix=MIX), hand=RefusingHand).run(storage(tmp_path).step())
    report = quota_report(tmp_path)
    assert report["edits"] == len(rows(tmp_path, "tries."))
    assert report["faults_of_edits"]["refused"] > 0
    assert report["lost_before_an_edit"] == {}


@pytest.mark.parametrize("eye", [ShyEye, RefusingEye])
def test_others_take_the_place_of_edits_that_nobody_judged(tmp_path: Path, eye: type[Eye]) -> None:
    summary = synthesizer(tmp_path, Quota(20, mix=MIX), eye=eye).run(storage(tmp_path).step())
    assert summary.rows == 20
    assert summary.failed > 0
    report = quota_report(tmp_path)
    assert report["faults_of_edits"]["unjudged"] == summary.failed
    assert sum(report["faults_of_edits"].values()) == report["edits"] - report["accepted"]
    again = synthesizer(tmp_path, Quota(20, mix=MIX), eye=eye).run(storage(tmp_path).step())
    assert (again.requests, again.rows) == (0, 20)


def test_others_take_the_place_of_drawings_that_nobody_judged(tmp_path: Path) -> None:
    summary = synthesizer(tmp_path, Quota(20, mix=MIX), checker=ShyEye).run(storage(tmp_path).step())
    assert summary.rows == 20
    assert quota_report(tmp_path)["lost_before_an_edit"] == {"drawing": summary.failed}


class ShorteningLooker(Looker):
    """Cuts the file of photographs off while it is read."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._file.write_text("".join(self._file.read_text().splitlines(keepends=True)[:3]))
        return await super().call(batch)


def test_photographs_that_change_while_they_are_read_end_the_run_by_name(tmp_path: Path) -> None:
    looker = ShorteningLooker(tmp_path / "photographs.jsonl")
    with pytest.raises(ConfigError, match=r"photographs\.jsonl changed"):
        look(tmp_path, [{"images": [f"{n}.png"]} for n in range(6)], Quota(16, mix=MIX, ahead=2), looker=looker)


def look(folder: Path, photographs: Sequence[Row], quota: Quota, *, looker: Looker | None = None) -> Summary:
    """Edits of photographs, of which there are 30 whole and a broken one."""
    for n in range(30):
        (folder / f"{n}.png").write_bytes(plain_png(bytes([n]), (64, 64)))
    (folder / "broken.png").write_bytes(plain_png(b"x", (64, 64))[:40])
    writer = EditInstructionGenerator(looker or Looker(), languages=["en"], per_image=3)
    made = TripletSynthesizer(writer, None, accept_loop(folder, likely_world(1, cost=0.07)), quota=quota)
    first = write_rows(folder / "photographs.jsonl", photographs)
    return made.run(FileStorage(first, folder / "cache", prices=dict(PRICES)).step())


@pytest.mark.parametrize("bad", [{"images": ["broken.png"]}, {"images": ["gone.png"]}, {"images": []}, {"mine": 1}])
def test_a_photograph_that_is_not_whole_makes_room_for_the_next(tmp_path: Path, bad: Row) -> None:
    photographs = [*[bad] * 30, *({"images": [f"{n}.png"]} for n in range(30))]
    summary = look(tmp_path, photographs, Quota(16, mix=MIX))
    assert (summary.rows, summary.failed) == (16, 30)
    report = quota_report(tmp_path)
    assert report["given_up"] == []
    assert sum(each["rejected"] + each["failed"] for each in report["operations"].values()) < 16


def test_an_edit_that_a_photograph_has_is_no_edit_by_the_new_instruction(tmp_path: Path) -> None:
    old = {"edited_images": ["29.png"], "verdict": {"accepted": True}, "offer": 1}
    summary = look(tmp_path, [{"images": [f"{n}.png"], **old} for n in range(20)], Quota(8, mix=MIX))
    assert summary.rows == 8
    assert "29.png" not in {Path(row["edited_images"][0]).name for row in (*rows(tmp_path), *rows(tmp_path, "tries."))}
    assert {row["offer"] for row in rows(tmp_path)} == {1}


def test_surplus_rows_are_kept_with_their_reason(tmp_path: Path) -> None:
    summary = run_synthesizer(
        tmp_path, Quota(30, mix={"art_style": 1.0}), of=World({"art_style": 1.0}, {"art_style": 1.0})
    )
    over = rows(tmp_path, "surplus.")
    assert summary.sides["surplus"] == len(over) > 0
    assert {row["surplus"] for row in over} == {"more `art_style` than are wanted"}
    assert all(row["verdict"]["accepted"] for row in over)


def test_the_bar_says_how_far_a_quota_is_and_what_it_will_cost(tmp_path: Path) -> None:
    account = Account(Quota(10), {"move": 1.0}, {"move": 0.5}, tries=1, prices=Prices(NANO, NANO, currency="USD"))
    assert re.fullmatch(r"0/10 accepted, about \d\d\.\d\d USD in all", Intake("verdict", account).note)
    assert Intake("verdict", None).note == ""
