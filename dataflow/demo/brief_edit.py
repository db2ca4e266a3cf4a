"""Make the edit of the drawn world that a brief asks for; it follows from the brief alone, so its outcome is known."""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
import orjson

from dataflow.demo.changes import CHANGES, Draw, NoRoomError, compose
from dataflow.demo.edits import TRAINED_PAIRS
from dataflow.demo.world import Scene, Shape
from dataflow.taxonomy.brief import Brief

_COMPOSE = "compose"
_MOST_COMPOSED = 2  # shapes in each picture of a composition, so that the result has room


@dataclass(frozen=True, slots=True)
class BriefEdit:
    """An edit of the drawn world.

    Args:
        scenes: the scenes that the edit starts from.
        named: of each scene, the shape that the instruction names; any shape if the instruction names none.
        instruction: the instruction, in one language and phrasing.
        target: the scene that the edit must result in.
    """

    scenes: tuple[Scene, ...]
    named: tuple[Shape, ...]
    instruction: str
    target: Scene


def edit_for(brief: Brief, language: str, phrasing: int) -> BriefEdit:
    """The edit of a brief, which is the same in every language and phrasing.

    Args:
        brief: names the operation.
        language: of the instruction, "en" or "zh".
        phrasing: of the instruction, an index into PHRASINGS.
    """
    key = hashlib.blake2b(orjson.dumps(asdict(brief)), digest_size=8).digest()
    draw = Draw(np.random.default_rng(int.from_bytes(key)), TRAINED_PAIRS, language, phrasing)
    while True:
        try:
            return _attempt(draw, brief.operation)
        except NoRoomError:
            continue


def _attempt(draw: Draw, operation: str) -> BriefEdit:
    if operation == _COMPOSE:
        first, second = draw.placed_scene(), draw.placed_scene()
        if max(len(first.shapes), len(second.shapes)) > _MOST_COMPOSED:
            raise NoRoomError
        instruction, target = compose(draw, first, second)
        (placed,) = (shape for shape in target.shapes if shape not in second.shapes)
        chosen = next(shape for shape in first.shapes if shape.pair == placed.pair)
        # The anchor is the nearest shape to the left of the shape that was put into the second scene.
        anchor = max(
            (candidate for candidate in second.shapes if candidate.y == placed.y and candidate.x < placed.x),
            key=lambda candidate: candidate.x,
        )
        return BriefEdit((first, second), (chosen, anchor), instruction, target)
    scene = draw.placed_scene()
    shape = draw.pick(scene.shapes)
    instruction, target = CHANGES[operation](draw, scene, shape)
    return BriefEdit((scene,), (shape,), instruction, target)
