"""A judge of the drawn world that needs no model: it reads the pictures and the instruction, never the row's truth.

The judge answers the questions of a rubric in JSON, as a model does. It can be told to err in a share of its answers,
so that everything that relies on a judge can be tested with one that errs.
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
"""Edits and drawings with known answers, to test judges of the drawn world, which cannot read photographs."""

RIGHT, WRONG = 10, 2  # the number that the judge gives an axis
_INSTRUCTION = re.compile(r"<instruction>\s*(.*?)\s*</instruction>", re.DOTALL)
_DESCRIPTION = re.compile(r"<description>\s*(.*?)\s*</description>.*?as picture (\d+) of (\d+)", re.DOTALL)


class CheckerJudge(Worker):
    """Answers the questions of a rubric about edits and drawings of the drawn world.

    Args:
        false_accept: the share of wrong pictures that the judge accepts, from 0 to 1; the requests' ids decide which.
        false_reject: the share of right pictures that the judge rejects, from 0 to 1.

    Raises:
        ConfigError: a share is below 0 or above 1.
    """

    batching = Batching(max_batch=16)
    limits = Limits(width=2)

    def __init__(self, *, false_accept: float = 0.0, false_reject: float = 0.0) -> None:
        for name, share in (("false_accept", false_accept), ("false_reject", false_reject)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}: give a share from 0 to 1")
        self._error_rate = {True: false_reject, False: false_accept}  # is the picture right → share of mistakes

    def fingerprint(self) -> Mapping[str, JSON]:
        """The revision of the drawn world, and the judge's error rates."""
        rates = [self._error_rate[False], self._error_rate[True]]
        return {"model": "drawn world checker", "revision": 1, "false": [*rates]}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Answer each job, in order."""
        return await asyncio.to_thread(lambda: [self.answer(job) for job in batch])

    def scene_of(self, path: str) -> Scene | Unreadable:
        """Read the scene in a picture file; a subclass may keep scenes that it has read."""
        with Image.open(path) as picture:
            return read(picture)

    def answer(self, job: Job) -> Answer:
        """Answer one job: about a pair of edits, a drawing, an edit without an instruction, or an edit."""
        axes = list(orjson.loads(job.request.schema or "{}").get("properties", {}))
        if not axes or not job.request.images:
            return Answer(error=Failure("fatal", "the demo judges its drawn world alone: use a vision-language model"))
        scenes = [self.scene_of(path) for path in job.request.images]
        instruction = _INSTRUCTION.search(job.request.prompt)
        if BETTER in axes and instruction is not None:
            return Answer(text=orjson.dumps({BETTER: _better(instruction[1], scenes)}).decode())
        if description := _DESCRIPTION.search(job.request.prompt):
            scores, why = self._judge_drawing(job, description, instruction[1] if instruction else "", scenes[-1])
        elif instruction is None:
            scores, why = _judge_quality(scenes[-1])
        else:
            scores, why = self._judge_edit(job, instruction[1], scenes)
        words: dict[str, JSON] = {"reasoning": why, "differences": why}
        return Answer(text=orjson.dumps({name: scores.get(name, words.get(name, RIGHT)) for name in axes}).decode())

    def _judge_edit(
        self, job: Job, instruction: str, scenes: Sequence[Scene | Unreadable]
    ) -> tuple[dict[str, JSON], str]:
        """The scores of an edit and the reason; the last scene is the result, those before it are the sources."""
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

    def _judge_drawing(
        self, job: Job, description: re.Match[str], instruction: str, found: Scene | Unreadable
    ) -> tuple[dict[str, JSON], str]:
        """The scores of a drawing and the reason.

        Args:
            job: its id decides whether the judge errs.
            description: a match of _DESCRIPTION.
            instruction: the edit that the drawing is for; empty if none is planned.
            found: the scene that the drawing shows.
        """
        target, (number, of) = _described(description[1]), (int(description[2]), int(description[3]))
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
        """Whether the judge errs about this job: its id, read as a number from 0 to 1, is below the error rate."""
        return int(job.id[-8:], 16) / 0x1_0000_0000 < self._error_rate[is_right]


def _mistake(is_right: bool, *axes: str) -> tuple[dict[str, JSON], str]:
    scores: dict[str, JSON] = dict.fromkeys(axes, WRONG if is_right else RIGHT)
    return scores, "something is not as it should be" if is_right else "all is as it should be"


def _target(instruction: str, given: Sequence[Scene]) -> Scene | None:
    """The scene that an edit must show; None if the instruction cannot be followed."""
    with suppress(NotUnderstoodError):
        return outcome(instruction, given)
    return None


def _described(description: str) -> Scene | None:
    """The scene that a drawing must show; None if the description is not of this world."""
    with suppress(NotUnderstoodError):
        return described_scene(description)
    return None


def _better(instruction: str, scenes: Sequence[Scene | Unreadable]) -> str:
    """Which of the last two scenes is right: the second only if it is right and the first is wrong."""
    *given, first, second = scenes
    target = _target(instruction, [scene for scene in given if isinstance(scene, Scene)])
    is_second = target is not None and agree(second, target) and not agree(first, target)
    return CHOICES[is_second]


def _sides(found: Scene | Unreadable, target: Scene, source: Scene) -> tuple[bool, bool]:
    """Whether the edit follows the instruction, and whether it keeps everything else; both only for the target."""
    if isinstance(found, Unreadable):
        return False, False
    added = [shape for shape in target.shapes if shape not in source.shapes]
    removed = [shape for shape in source.shapes if shape not in target.shapes]
    kept = [shape for shape in source.shapes if shape in target.shapes]
    is_background_asked = target.background != source.background
    is_background_right = found.background == target.background
    follows = all(shows(found, shape) for shape in added) and not any(shows(found, shape) for shape in removed)
    keeps = all(shows(found, shape) for shape in kept) and len(found.shapes) == len(target.shapes)
    if is_background_asked:
        return follows and is_background_right, keeps
    return follows, keeps and is_background_right


def _judge_quality(found: Scene | Unreadable) -> tuple[dict[str, JSON], str]:
    """The scores of a picture that is judged without an instruction, and the reason."""
    if isinstance(found, Unreadable):
        return {"naturalness": WRONG, "artefacts": WRONG}, f"no scene of this world: {found.reason}"
    return {"naturalness": RIGHT, "artefacts": RIGHT}, "whole shapes on one background"
