"""Decides from the picture alone whether an edit came out right; no model has a say.

Right means: readable, the background asked for, and exactly the shapes of the target, each of the same kind,
colour and size with its centre at most TOLERANCE pixels off in x and in y. That is a third of the smallest
radius: a shape further off is visibly elsewhere.
"""

from dataclasses import dataclass

from PIL import Image

from dataflow.demo.edits import Example
from dataflow.demo.reading import Unreadable, read
from dataflow.demo.world import Scene, Shape

TOLERANCE = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found.

    Args:
        right: the picture shows the target and nothing else.
        readable: the picture shows some scene of this world.
        untouched: how many shapes the instruction left alone.
        unchanged: how many of those came out as they were.
        found: the scene that was read, or why none was.
    """

    right: bool
    readable: bool
    untouched: int
    unchanged: int
    found: Scene | Unreadable


def judge(picture: Image.Image, example: Example) -> Verdict:
    """Compares a picture with what an example asks for.

    Args:
        picture: the edited or drawn picture, 64 x 64 pixels.
        example: the instruction and its truth.
    """
    found = read(picture)
    untouched = example.untouched
    if isinstance(found, Unreadable):
        return Verdict(False, False, len(untouched), 0, found)
    unchanged = sum(shows(found, shape) for shape in untouched)
    return Verdict(agree(found, example.target), True, len(untouched), unchanged, found)


def agree(found: Scene | Unreadable, target: Scene) -> bool:
    """Whether what was read is the target, within TOLERANCE."""
    if isinstance(found, Unreadable) or found.background != target.background:
        return False
    return len(found.shapes) == len(target.shapes) and all(shows(found, shape) for shape in target.shapes)


def shows(found: Scene, shape: Shape) -> bool:
    """Whether a scene has the shape, within TOLERANCE."""
    return any(_same(other, shape) for other in found.shapes)


def _same(one: Shape, other: Shape) -> bool:
    off = max(abs(one.x - other.x), abs(one.y - other.y))
    return one.pair == other.pair and one.size == other.size and off <= TOLERANCE


def fault(found: Scene | Unreadable, target: Scene) -> str:
    """What is wrong with a scene that is not the target: the first of the things that can be."""
    if isinstance(found, Unreadable):
        return "unreadable"
    if found.background != target.background:
        return "background"
    if len(found.shapes) != len(target.shapes):
        return "shape missing" if len(found.shapes) < len(target.shapes) else "shape too many"
    for part in ("kind", "colour", "size"):
        if sorted(getattr(s, part) for s in found.shapes) != sorted(getattr(s, part) for s in target.shapes):
            return part
    return "position" if not agree(found, target) else "none"
