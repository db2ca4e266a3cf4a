"""A judge of the drawn world that needs no model: it reads pictures and instruction, and never the row's truth.

It answers the questions of a rubric as a model does, in JSON. It can be made to err, so that what is built on a judge
is tried with one that is not right.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
from PIL import Image

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.demo.checker import agree, fault, shows
from dataflow.demo.parsing import NotUnderstoodError, described_scene, has_what_is_named, outcome
from dataflow.demo.reading import Unreadable, read
from dataflow.demo.world import Scene
from dataflow.errors import ConfigError, Failure
from dataflow.judging.pair import BETTER, CHOICES

DRAWN_CANARIES = Path(__file__).with_name("canaries") / "canaries.yaml"
DRAWN_CONDITIONS = DRAWN_CANARIES.with_name("conditions.yaml")
"""Edits, and drawings, with known answers for judges of the drawn world, which read no photographs."""

RIGHT, WRONG = 10, 2
_INSTRUCTION = re.compile(r"<instruction>\s*(.*?)\s*</instruction>", re.DOTALL)
_DESCRIPTION = re.compile(r"<description>\s*(.*?)\s*</description>.*?as picture (\d+) of (\d+)", re.DOTALL)


class CheckerJudge(Worker):
    """Answers what a rubric asks about edits and drawings of the drawn world.

    Args:
        false_accept: the share of wrong pictures that it praises, from 0 to 1; which ones follows from requests' ids.
        false_reject: the share of right pictures that it faults.

    Raises:
        ConfigError: a share that is none.
    """

    batching = Batching(max_batch=16)
    limits = Limits(width=2)

    def __init__(self, *, false_accept: float = 0.0, false_reject: float = 0.0) -> None:
        for name, share in (("false_accept", false_accept), ("false_reject", false_reject)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}: give a share from 0 to 1")
        self._errs = {True: false_reject, False: false_accept}

    def fingerprint(self) -> Mapping[str, JSON]:
        """It changes with the world and with what it gets wrong."""
        return {"model": "drawn world checker", "revision": 1, "false": [self._errs[False], self._errs[True]]}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job."""
        return await asyncio.to_thread(lambda: [self.answer(job) for job in batch])

    def scene_of(self, path: str) -> Scene | Unreadable:
        """What a picture shows; a measurement that asks often may remember it."""
        with Image.open(path) as picture:
            return read(picture)

    def answer(self, job: Job) -> Answer:
        """What it says to one job."""
        axes = list(orjson.loads(job.request.schema or "{}").get("properties", {}))
        if not axes or not job.request.images:
            return Answer(error=Failure("fatal", "the demo judges its drawn world alone: use a vision-language model"))
        scenes = [self.scene_of(path) for path in job.request.images]
        said = _INSTRUCTION.search(job.request.prompt)
        if BETTER in axes and said is not None:
            return Answer(text=orjson.dumps({BETTER: _better(said[1], scenes)}).decode())
        if drawn := _DESCRIPTION.search(job.request.prompt):
            scores, why = self._drawn(job, drawn, said[1] if said else "", scenes[-1])
        else:
            scores, why = _alone(scenes[-1]) if said is None else self._compared(job, said[1], scenes)
        words: dict[str, JSON] = {"reasoning": why, "differences": why}
        return Answer(text=orjson.dumps({name: scores.get(name, words.get(name, RIGHT)) for name in axes}).decode())

    def _compared(
        self, job: Job, instruction: str, scenes: Sequence[Scene | Unreadable]
    ) -> tuple[dict[str, JSON], str]:
        given = [scene for scene in scenes[:-1] if isinstance(scene, Scene)]
        target = _target(instruction, given)
        if target is None:
            return {"following": WRONG, "preservation": WRONG}, "the instruction cannot be followed here"
        found = scenes[-1]
        is_right = agree(found, target)
        if self._is_mistaken(job, is_right):
            return _mistake(is_right, "following", "preservation")
        follows, keeps = _sides(found, target, given[-1])
        why = "it shows what was asked for" if is_right else f"wrong: {fault(found, target)}"
        return {"following": RIGHT if follows else WRONG, "preservation": RIGHT if keeps else WRONG}, why

    def _drawn(
        self, job: Job, drawn: re.Match[str], instruction: str, found: Scene | Unreadable
    ) -> tuple[dict[str, JSON], str]:
        target, (number, of) = _described(drawn[1]), (int(drawn[2]), int(drawn[3]))
        shows_it = target is not None and agree(found, target)
        scene = found if isinstance(found, Scene) else None
        can_be_edited = not instruction or (scene is not None and has_what_is_named(scene, instruction, number, of))
        if self._is_mistaken(job, shows_it and can_be_edited):
            return _mistake(shows_it and can_be_edited, "shows", "target", "flaws")
        scores: dict[str, JSON] = {
            "shows": RIGHT if shows_it else WRONG,
            "target": RIGHT if can_be_edited else WRONG,
            "flaws": RIGHT if scene else WRONG,
        }
        if shows_it:
            return scores, "it shows what is described" if can_be_edited else "what the instruction names is not there"
        return scores, f"wrong: {fault(found, target)}" if target else "the description is not of this world"

    def _is_mistaken(self, job: Job, is_right: bool) -> bool:
        return int(job.id[-8:], 16) / 0x1_0000_0000 < self._errs[is_right]


def _mistake(is_right: bool, *axes: str) -> tuple[dict[str, JSON], str]:
    scores: dict[str, JSON] = dict.fromkeys(axes, WRONG if is_right else RIGHT)
    return scores, "something is not as it should be" if is_right else "all is as it should be"


def _target(instruction: str, given: Sequence[Scene]) -> Scene | None:
    """What an edit must show; None: the instruction cannot be followed."""
    with suppress(NotUnderstoodError):
        return outcome(instruction, given)
    return None


def _described(description: str) -> Scene | None:
    """What a drawing must show; None: nothing of this world is described."""
    with suppress(NotUnderstoodError):
        return described_scene(description)
    return None


def _better(instruction: str, scenes: Sequence[Scene | Unreadable]) -> str:
    """Of the last two scenes the right one; if both are right or wrong, the first."""
    *given, first, second = scenes
    target = _target(instruction, [scene for scene in given if isinstance(scene, Scene)])
    is_second = target is not None and agree(second, target) and not agree(first, target)
    return CHOICES[is_second]


def _sides(found: Scene | Unreadable, target: Scene, source: Scene) -> tuple[bool, bool]:
    """Whether what was to change has changed, and whether all else is as it was; both: it is the target."""
    if isinstance(found, Unreadable):
        return False, False
    new = [shape for shape in target.shapes if shape not in source.shapes]
    gone = [shape for shape in source.shapes if shape not in target.shapes]
    kept = [shape for shape in source.shapes if shape in target.shapes]
    is_background_asked = target.background != source.background
    is_background_right = found.background == target.background
    follows = all(shows(found, shape) for shape in new) and not any(shows(found, shape) for shape in gone)
    keeps = all(shows(found, shape) for shape in kept) and len(found.shapes) == len(target.shapes)
    if is_background_asked:
        return follows and is_background_right, keeps
    return follows, keeps and is_background_right


def _alone(found: Scene | Unreadable) -> tuple[dict[str, JSON], str]:
    if isinstance(found, Unreadable):
        return {"naturalness": WRONG, "artefacts": WRONG}, f"no scene of this world: {found.reason}"
    return {"naturalness": RIGHT, "artefacts": RIGHT}, "whole shapes on one background"
