"""The edit of the drawn world that a brief asks for: it follows from the brief alone, so its outcome is known."""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
import orjson

from dataflow.demo.changes import CHANGES, Draw, NoRoomError, compose
from dataflow.demo.edits import TRAINED_PAIRS
from dataflow.demo.world import Scene, Shape
from dataflow.taxonomy.brief import Brief

_COMPOSE = "compose"
_MOST_COMPOSED = 2


@dataclass(frozen=True, slots=True)
class Imagined:
    """An edit of the drawn world.

    Args:
        scenes: what it starts from.
        named: the shape of each scene that the instruction names; for some operations any.
        instruction: in the language and phrasing asked for.
        target: what it must come to.
    """

    scenes: tuple[Scene, ...]
    named: tuple[Shape, ...]
    instruction: str
    target: Scene


def imagine(brief: Brief, language: str, phrasing: int) -> Imagined:
    """The edit of a brief: the same one in every language and phrasing."""
    key = hashlib.blake2b(orjson.dumps(asdict(brief)), digest_size=8).digest()
    draw = Draw(np.random.default_rng(int.from_bytes(key)), TRAINED_PAIRS, language, phrasing)
    while True:
        try:
            return _attempt(draw, brief.operation)
        except NoRoomError:
            continue


def _attempt(draw: Draw, operation: str) -> Imagined:
    if operation == _COMPOSE:
        first, second = draw.placed_scene(), draw.placed_scene()
        if max(len(first.shapes), len(second.shapes)) > _MOST_COMPOSED:
            raise NoRoomError
        instruction, target = compose(draw, first, second)
        (put,) = (shape for shape in target.shapes if shape not in second.shapes)
        chosen = next(shape for shape in first.shapes if shape.pair == put.pair)
        anchor = max((each for each in second.shapes if each.y == put.y and each.x < put.x), key=lambda each: each.x)
        return Imagined((first, second), (chosen, anchor), instruction, target)
    scene = draw.placed_scene()
    shape = draw.pick(scene.shapes)
    instruction, target = CHANGES[operation](draw, scene, shape)
    return Imagined((scene,), (shape,), instruction, target)
