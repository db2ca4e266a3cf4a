"""Rows of an accepted set that somebody refuses, cannot judge or cannot read: what they cost and what takes their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.core.records import Answer, Job, Row
from dataflow.errors import Failure
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.quota.quota import Quota
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows
from tests.kit.triplets import PRICES, Eye, Hand, Pen, likely_world, two_pictures

MIX = {"move": 2.0, "zoom": 1.0}
STEP = "dataflow_cache_step_step1"


@dataclass(eq=False)
class RefusingHand(Hand):
    """Refuses to edit again."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        (job,) = batch
        if job.request.repeat:
            return [Answer(error=Failure("refused", "not this one again"))]
        return await super().call(batch)


def rows(folder: Path, side: str = "") -> list[Row]:
    return read_rows(folder / "cache" / f"{STEP}.{side}jsonl")


def quota_report(folder: Path) -> Row:
    found: Row = orjson.loads((folder / "cache" / f"{STEP}.meta.json").read_bytes())["report"]["quota"]
    return found


def synthesizer(folder: Path, quota: Quota | None, *, hand: type[Hand] = Hand) -> TripletSynthesizer:
    of, (wrong, right) = likely_world(1, cost=0.07), two_pictures(folder)
    judge = ImageEditJudge(Eye(right), canaries=False)
    loop = ImageEditAcceptLoop(hand("editor", of, [wrong, right]), judge, tries=3, retry="resample", gates=False)
    painter = PromptedImageGenerator(Hand("painter", of, [wrong, right]))
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
