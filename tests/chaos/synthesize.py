"""The process that the kill tests of a quota kill: workers of known rates and costs, and a fuse."""

from collections.abc import Sequence
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.quota.quota import Quota
from dataflow.utils.storage import FileStorage
from tests.chaos.accept import Fuse
from tests.kit.triplets import Eye, Hand, Pen, likely_world, two_pictures

MIX = {"move": 2.0, "zoom": 1.0, "art_style": 1.0}
BOUNDS = {"painter": {"image": 0.15}, "editor": {"image": 0.15}}
"""Twice what a picture costs in the mean: none of a thousand costs more, so the limit holds."""

LIMIT = 18.0
"""Of the money of a set that ends by it."""


class BurningHand(Hand):
    """Burns the fuse at each call."""

    fuse: Fuse

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self.fuse.burn()
        return await super().call(batch)


class BurningEye(Eye):
    """Burns the fuse at each call."""

    fuse: Fuse

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self.fuse.burn()
        return await super().call(batch)


def _synthesize(folder: Path, quota: Quota, calls: int, delay: float) -> None:
    world, (wrong, right) = likely_world(1, cost=0.07, seconds=0.02, width=8), two_pictures(folder)
    painter, editor = (BurningHand(name, world, [wrong, right]) for name in ("painter", "editor"))
    eye = BurningEye(right)
    painter.fuse = editor.fuse = eye.fuse = Fuse(calls, delay)
    loop = ImageEditAcceptLoop(editor, ImageEditJudge(eye, canaries=False), tries=3, retry="resample", gates=False)
    writer = EditPromptGenerator(Pen(), languages=["en"])
    made = TripletSynthesizer(writer, PromptedImageGenerator(painter), loop, quota=quota)
    made.run(FileStorage(cache_path=folder / "cache", prices=BOUNDS).step())


def synthesize(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Make so many accepted rows in a folder; killed so many seconds after so many calls, if any."""
    _synthesize(folder, Quota(rows, mix=MIX, ahead=20), calls, delay)


def synthesize_for(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """The same as far as the money goes."""
    _synthesize(folder, Quota(rows, mix=MIX, ahead=20, max_cost=LIMIT), calls, delay)
