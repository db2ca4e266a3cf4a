"""The operations on a scene: each chooses what to change at random, and returns the instruction and the exact outcome.

Each instruction has one right outcome, because its words are exact: a named place ("top left") means the middle of that
ninth of the picture, a size is one of three names, and "beside" means to the right with the smallest gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

import numpy as np

from dataflow.demo.phrases import PHRASINGS
from dataflow.demo.wording import described, name, say, subject
from dataflow.demo.world import BACKGROUNDS, GAP, PLACES, SIDE, SIZES, Scene, Shape, is_valid

Pair = tuple[str, str]

_SMALLEST_MOVE = 8  # pixels, in x or in y
_MOST_SHAPES = 3

_T = TypeVar("_T")


class NoRoomError(Exception):
    """A random scene cannot take the operation; try another scene."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The random choices of one example.

    Args:
        rng: the random generator of this example.
        pairs: the colours and kinds of the shapes that may appear.
        language: "en" or "zh".
        phrasing: index into PHRASINGS; None chooses any phrasing but the held-out one.
    """

    rng: np.random.Generator
    pairs: tuple[Pair, ...]
    language: str
    phrasing: int | None = None

    def pick(self, options: Sequence[_T]) -> _T:
        """Choose one of the options.

        Raises:
            NoRoomError: there are no options.
        """
        if not options:
            raise NoRoomError
        return options[int(self.rng.integers(len(options)))]

    def scene(self, *, most: int = _MOST_SHAPES) -> Scene:
        """A random scene of one to `most` shapes, at any positions where they do not overlap."""
        for _ in range(1000):
            chosen = self.rng.choice(len(self.pairs), size=1 + int(self.rng.integers(most)), replace=False)
            shapes = tuple(self._shape(self.pairs[int(i)]) for i in chosen)
            scene = Scene(shapes, self.pick(tuple(BACKGROUNDS)))
            if is_valid(scene):
                return scene
        raise NoRoomError

    def placed_scene(self) -> Scene:
        """A random scene with every shape in the middle of a named place, so that its caption describes it exactly."""
        scene = self.scene()
        places = self.rng.choice(len(PLACES), size=len(scene.shapes), replace=False)
        spots = [tuple(PLACES.values())[int(i)] for i in places]
        shapes = tuple(replace(shape, x=x, y=y) for shape, (x, y) in zip(scene.shapes, spots, strict=True))
        return _checked(replace(scene, shapes=shapes))

    def say(self, operation: str, words: dict[str, str]) -> str:
        """The instruction of an operation in this example's phrasing, or in any phrasing but the held-out one."""
        phrasing = self.phrasing
        if phrasing is None:
            phrasing = int(self.rng.integers(len(PHRASINGS[operation][self.language]) - 1))
        return say(operation, self.language, phrasing, words)

    def _shape(self, pair: Pair) -> Shape:
        size = self.pick(tuple(SIZES))
        margin = ceil(SIZES[size] - 0.5)
        x, y = (int(v) for v in self.rng.integers(margin, SIDE - margin, size=2))
        return Shape(kind=pair[1], colour=pair[0], size=size, x=x, y=y)


Change = Callable[[Draw, Scene, Shape], tuple[str, Scene]]
"""Takes the random choices, a scene and one of its shapes; returns the instruction and the scene that it asks for."""


def recolour(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Give the shape another colour, and keep its kind, size and position."""
    colours = [c for c, kind in draw.pairs if kind == shape.kind and c != shape.colour]
    changed = replace(shape, colour=draw.pick(colours))
    return _instruction(draw, "recolour", shape, colour=changed.colour), _swapped(scene, shape, changed)


def replace_shape(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Replace the shape by one of another kind and perhaps another colour, of its size and at its position."""
    colour, kind = draw.pick([pair for pair in draw.pairs if pair[1] != shape.kind])
    changed = replace(shape, colour=colour, kind=kind)
    words = {"subject": subject(shape, draw.language), "replacement": subject(changed, draw.language)}
    return draw.say("replace", words), _swapped(scene, shape, changed)


def remove(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Remove the shape, unless it is the only one of the scene."""
    if len(scene.shapes) < 2:
        raise NoRoomError
    return _instruction(draw, "remove", shape), _swapped(scene, shape)


def add(draw: Draw, scene: Scene, _: Shape) -> tuple[str, Scene]:
    """Add a shape in the middle of a named place."""
    if len(scene.shapes) >= _MOST_SHAPES:
        raise NoRoomError
    (colour, kind), size, place = draw.pick(draw.pairs), draw.pick(tuple(SIZES)), draw.pick(tuple(PLACES))
    new = Shape(kind, colour, size, *PLACES[place])
    words = {"shape": described(new, draw.language), "place": name(place, draw.language)}
    return draw.say("add", words), _checked(replace(scene, shapes=(*scene.shapes, new)))


def background(draw: Draw, scene: Scene, _: Shape) -> tuple[str, Scene]:
    """Give the scene another background, and keep its shapes."""
    colour = draw.pick([b for b in BACKGROUNDS if b != scene.background])
    return draw.say("background", {"colour": name(colour, draw.language)}), replace(scene, background=colour)


def move(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Move the shape to the middle of a named place that is at least eight pixels away."""
    place = draw.pick(tuple(PLACES))
    x, y = PLACES[place]
    if max(abs(x - shape.x), abs(y - shape.y)) < _SMALLEST_MOVE:
        raise NoRoomError
    return _instruction(draw, "move", shape, place=place), _swapped(scene, shape, replace(shape, x=x, y=y))


def resize(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Give the shape another of the three sizes, around the same centre."""
    size = draw.pick([s for s in SIZES if s != shape.size])
    return _instruction(draw, "resize", shape, size=size), _swapped(scene, shape, replace(shape, size=size))


CHANGES: dict[str, Change] = {
    "recolour": recolour,
    "replace": replace_shape,
    "remove": remove,
    "add": add,
    "background": background,
    "move": move,
    "resize": resize,
}


def two(draw: Draw, scene: Scene) -> tuple[str, Scene]:
    """Apply two different operations to two different shapes, and join their instructions."""
    first, second = draw.rng.choice(len(CHANGES), size=2, replace=False)
    shapes = draw.rng.permutation(len(scene.shapes))
    if len(shapes) < 2:
        raise NoRoomError
    single = replace(draw, phrasing=None)
    first_words, between = list(CHANGES.values())[int(first)](single, scene, scene.shapes[int(shapes[0])])
    second_words, target = list(CHANGES.values())[int(second)](single, between, scene.shapes[int(shapes[1])])
    return draw.say("two", {"first": first_words, "second": second_words}), target


def compose(draw: Draw, first: Scene, second: Scene) -> tuple[str, Scene]:
    """Put a shape of the first scene to the right of a shape of the second scene."""
    chosen, anchor = draw.pick(first.shapes), draw.pick(second.shapes)
    x = anchor.x + ceil(anchor.radius + chosen.radius) + GAP
    target = _checked(replace(second, shapes=(*second.shapes, replace(chosen, x=x, y=anchor.y))))
    words = {"subject": subject(chosen, draw.language), "anchor": subject(anchor, draw.language)}
    return draw.say("compose", words), target


def _instruction(draw: Draw, operation: str, shape: Shape, **details: str) -> str:
    words = {key: name(word, draw.language) for key, word in details.items()}
    return draw.say(operation, {"subject": subject(shape, draw.language), **words})


def _swapped(scene: Scene, old: Shape, *new: Shape) -> Scene:
    kept = tuple(shape for shape in scene.shapes if shape != old)
    return _checked(replace(scene, shapes=(*kept, *new)))


def _checked(scene: Scene) -> Scene:
    if not is_valid(scene):
        raise NoRoomError
    return scene
