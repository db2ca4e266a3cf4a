"""What can be done to a scene: each operation draws its subject and returns the exact outcome.

A named place ("top left") means the middle of that ninth of the picture, sizes are named outright, and
"beside" means right of it with the smallest gap: so each instruction has one right answer.
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

_SMALLEST_MOVE = 8
_MOST_SHAPES = 3

_T = TypeVar("_T")


class NoRoomError(Exception):
    """The scene that was drawn cannot take the operation; another draw will."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Where chance comes from and what it may choose.

    Args:
        rng: the generator of this example.
        pairs: colour and kind of the shapes that may appear.
        language: "en" or "zh".
        phrasing: index into PHRASINGS; None picks any but the held-out one.
    """

    rng: np.random.Generator
    pairs: tuple[Pair, ...]
    language: str
    phrasing: int | None = None

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the options; an empty choice means that the scene has no room."""
        if not options:
            raise NoRoomError
        return options[int(self.rng.integers(len(options)))]

    def scene(self, *, most: int = _MOST_SHAPES) -> Scene:
        """A scene of one to `most` shapes at free positions."""
        for _ in range(1000):
            chosen = self.rng.choice(len(self.pairs), size=1 + int(self.rng.integers(most)), replace=False)
            shapes = tuple(self._shape(self.pairs[int(i)]) for i in chosen)
            scene = Scene(shapes, self.pick(tuple(BACKGROUNDS)))
            if is_valid(scene):
                return scene
        raise NoRoomError

    def placed_scene(self) -> Scene:
        """A scene with every shape in the middle of a named place, as drawing from a caption asks for."""
        scene = self.scene()
        places = self.rng.choice(len(PLACES), size=len(scene.shapes), replace=False)
        spots = [tuple(PLACES.values())[int(i)] for i in places]
        shapes = tuple(replace(shape, x=x, y=y) for shape, (x, y) in zip(scene.shapes, spots, strict=True))
        return _checked(replace(scene, shapes=shapes))

    def say(self, operation: str, words: dict[str, str]) -> str:
        """The instruction in the asked phrasing, or in any that training may use."""
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
"""Says what is asked of a shape of a scene, and what the scene is afterwards."""


def recolour(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Another colour, all else kept."""
    colours = [c for c, kind in draw.pairs if kind == shape.kind and c != shape.colour]
    changed = replace(shape, colour=draw.pick(colours))
    return _about(draw, "recolour", shape, colour=changed.colour), _swapped(scene, shape, changed)


def replace_shape(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Another kind, perhaps another colour; size and position kept."""
    colour, kind = draw.pick([pair for pair in draw.pairs if pair[1] != shape.kind])
    changed = replace(shape, colour=colour, kind=kind)
    words = {"subject": subject(shape, draw.language), "replacement": subject(changed, draw.language)}
    return draw.say("replace", words), _swapped(scene, shape, changed)


def remove(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """One shape less; the last one stays."""
    if len(scene.shapes) < 2:
        raise NoRoomError
    return _about(draw, "remove", shape), _swapped(scene, shape)


def add(draw: Draw, scene: Scene, _: Shape) -> tuple[str, Scene]:
    """One shape more, in the middle of a named place."""
    if len(scene.shapes) >= _MOST_SHAPES:
        raise NoRoomError
    (colour, kind), size, place = draw.pick(draw.pairs), draw.pick(tuple(SIZES)), draw.pick(tuple(PLACES))
    new = Shape(kind, colour, size, *PLACES[place])
    words = {"shape": described(new, draw.language), "place": name(place, draw.language)}
    return draw.say("add", words), _checked(replace(scene, shapes=(*scene.shapes, new)))


def background(draw: Draw, scene: Scene, _: Shape) -> tuple[str, Scene]:
    """Another background behind the same shapes."""
    colour = draw.pick([b for b in BACKGROUNDS if b != scene.background])
    return draw.say("background", {"colour": name(colour, draw.language)}), replace(scene, background=colour)


def move(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """One shape to the middle of a named place, at least eight pixels away."""
    place = draw.pick(tuple(PLACES))
    x, y = PLACES[place]
    if max(abs(x - shape.x), abs(y - shape.y)) < _SMALLEST_MOVE:
        raise NoRoomError
    return _about(draw, "move", shape, place=place), _swapped(scene, shape, replace(shape, x=x, y=y))


def resize(draw: Draw, scene: Scene, shape: Shape) -> tuple[str, Scene]:
    """Another of the three sizes around the same centre."""
    size = draw.pick([s for s in SIZES if s != shape.size])
    return _about(draw, "resize", shape, size=size), _swapped(scene, shape, replace(shape, size=size))


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
    """Two different operations on two different shapes, in one instruction."""
    first, second = draw.rng.choice(len(CHANGES), size=2, replace=False)
    shapes = draw.rng.permutation(len(scene.shapes))
    if len(shapes) < 2:
        raise NoRoomError
    single = replace(draw, phrasing=None)
    one, between = list(CHANGES.values())[int(first)](single, scene, scene.shapes[int(shapes[0])])
    other = scene.shapes[int(shapes[1])]
    another, target = list(CHANGES.values())[int(second)](single, between, other)
    return draw.say("two", {"first": one, "second": another}), target


def compose(draw: Draw, first: Scene, second: Scene) -> tuple[str, Scene]:
    """A shape of the first scene, put to the right of a shape of the second."""
    chosen, anchor = draw.pick(first.shapes), draw.pick(second.shapes)
    x = anchor.x + ceil(anchor.radius + chosen.radius) + GAP
    target = _checked(replace(second, shapes=(*second.shapes, replace(chosen, x=x, y=anchor.y))))
    words = {"subject": subject(chosen, draw.language), "anchor": subject(anchor, draw.language)}
    return draw.say("compose", words), target


def _about(draw: Draw, operation: str, shape: Shape, **details: str) -> str:
    words = {key: name(word, draw.language) for key, word in details.items()}
    return draw.say(operation, {"subject": subject(shape, draw.language), **words})


def _swapped(scene: Scene, old: Shape, *new: Shape) -> Scene:
    kept = tuple(shape for shape in scene.shapes if shape != old)
    return _checked(replace(scene, shapes=(*kept, *new)))


def _checked(scene: Scene) -> Scene:
    if not is_valid(scene):
        raise NoRoomError
    return scene
