"""Decide from a picture alone, without any model, whether an edit is right.

An edit is right if its picture can be read, has the background that was asked for, and shows exactly the shapes of the
target: each of the same kind, colour and size, with its centre at most TOLERANCE pixels away in x and in y. A shape
that is further away is visibly elsewhere.
"""

from dataclasses import dataclass

from PIL import Image

from dataflow.demo.edits import Example
from dataflow.demo.reading import Unreadable, read
from dataflow.demo.world import Scene, Shape

TOLERANCE = 3  # pixels, a little less than half of the smallest radius


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker finds in a picture.

    Args:
        right: whether the picture shows the target and nothing else.
        readable: whether the picture shows a scene of this world.
        untouched: how many shapes the instruction does not mention.
        unchanged: how many of those shapes the picture shows as they were.
        found: the scene that was read, or why the picture is unreadable.
    """

    right: bool
    readable: bool
    untouched: int
    unchanged: int
    found: Scene | Unreadable


def judge(picture: Image.Image, example: Example) -> Verdict:
    """Compare a picture with the target of an example.

    Args:
        picture: the edited or drawn picture, 64 x 64 pixels.
        example: the instruction and its target.
    """
    found = read(picture)
    untouched = example.untouched
    if isinstance(found, Unreadable):
        return Verdict(False, False, len(untouched), 0, found)
    unchanged = sum(shows(found, shape) for shape in untouched)
    return Verdict(agree(found, example.target), True, len(untouched), unchanged, found)


def agree(found: Scene | Unreadable, target: Scene) -> bool:
    """Whether the scene that was read is the target, within TOLERANCE."""
    if isinstance(found, Unreadable) or found.background != target.background:
        return False
    return len(found.shapes) == len(target.shapes) and all(shows(found, shape) for shape in target.shapes)


def shows(found: Scene, shape: Shape) -> bool:
    """Whether a scene has this shape, within TOLERANCE."""
    return any(_same(candidate, shape) for candidate in found.shapes)


def _same(first: Shape, second: Shape) -> bool:
    off = max(abs(first.x - second.x), abs(first.y - second.y))
    return first.pair == second.pair and first.size == second.size and off <= TOLERANCE


def fault(found: Scene | Unreadable, target: Scene) -> str:
    """The first fault of a scene that is not the target, in one or two words; "none" for the target."""
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
