"""Make examples of the drawn world: an instruction, the scenes it starts from, and the exact scene it asks for.

Every example follows from (seed, index) alone. Four of the forty pairs of colour and kind, and the last phrasing of
each operation and language, are held out. The split "train" has neither of them, "seen" is the same for measuring,
"new_pair" always shows a held-out pair, and "new_phrasing" always uses a held-out phrasing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflow.demo.changes import CHANGES, Draw, NoRoomError, Pair, compose, two
from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS
from dataflow.demo.wording import caption
from dataflow.demo.world import COLOURS, KINDS, Scene, Shape

Split = Literal["train", "seen", "new_pair", "new_phrasing"]

PAIRS: tuple[Pair, ...] = tuple((colour, kind) for colour in COLOURS for kind in KINDS)
HELD_OUT_PAIRS = frozenset({("red", "star"), ("blue", "triangle"), ("yellow", "circle"), ("purple", "cross")})
TRAINED_PAIRS: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair not in HELD_OUT_PAIRS)

# The share of each operation in training: a quarter draws; of the edits, a tenth has two operations and a tenth
# composes two pictures.
SHARES = {**dict.fromkeys(OPERATIONS, 0.6 / len(OPERATIONS)), "two": 0.075, "compose": 0.075, "draw": 0.25}

_ATTEMPTS = 10_000  # random scenes for one example, far more than any example has needed


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction with the scene that it asks for.

    Args:
        operation: one of OPERATIONS, "two", "compose" or "draw".
        language: "en" or "zh".
        phrasing: index into PHRASINGS; the last is held out.
        instruction: the words that the model gets.
        sources: the scenes that the model is shown: one, two for "compose", none for "draw".
        target: the scene that the model must draw.
    """

    operation: str
    language: str
    phrasing: int
    instruction: str
    sources: tuple[Scene, ...]
    target: Scene

    @property
    def untouched(self) -> tuple[Shape, ...]:
        """The shapes of the last source that the target has unchanged."""
        if not self.sources:
            return ()
        return tuple(shape for shape in self.sources[-1].shapes if shape in self.target.shapes)

    @property
    def shows_new_pair(self) -> bool:
        """Whether any scene has a pair of colour and kind that training never shows."""
        scenes = (*self.sources, self.target)
        return any(shape.pair in HELD_OUT_PAIRS for scene in scenes for shape in scene.shapes)


def make_example(
    seed: int, index: int, *, split: Split = "train", operation: str | None = None, phrasing: int | None = None
) -> Example:
    """Make the example number `index` of a seed.

    Args:
        seed: any whole number from 0; training and measuring must use different seeds.
        index: the position in the endless sequence of this seed.
        split: which pairs and phrasings the example may have; see the module.
        operation: the example's operation; None chooses one by SHARES.
        phrasing: the example's phrasing; None leaves it to the split. With the split "new_phrasing", another phrasing
            changes nothing else of the example.
    """
    rng = np.random.default_rng([seed, index])
    drawn = list(SHARES)[int(rng.choice(len(SHARES), p=list(SHARES.values())))]
    chosen = operation or drawn
    language = LANGUAGES[int(rng.integers(len(LANGUAGES)))]
    last = len(PHRASINGS[chosen][language]) - 1
    usual = last if split == "new_phrasing" else int(rng.integers(last))
    phrasing = usual if phrasing is None else phrasing
    draw = Draw(rng, PAIRS if split == "new_pair" else TRAINED_PAIRS, language, phrasing)
    for _ in range(_ATTEMPTS):
        try:
            instruction, sources, target = _attempt(draw, chosen)
        except NoRoomError:
            continue
        example = Example(chosen, language, phrasing, instruction, sources, target)
        if split != "new_pair" or example.shows_new_pair:
            return example
    raise AssertionError(f"seed {seed}, index {index}: no scene takes the operation {chosen}")


def _attempt(draw: Draw, operation: str) -> tuple[str, tuple[Scene, ...], Scene]:
    if operation == "draw":
        target = draw.placed_scene()
        return caption(target, draw.language, draw.phrasing or 0), (), target
    scene = draw.scene()
    if operation == "compose":
        second = draw.scene(most=2)
        instruction, target = compose(draw, scene, second)
        return instruction, (scene, second), target
    if operation == "two":
        instruction, target = two(draw, scene)
    else:
        instruction, target = CHANGES[operation](draw, scene, draw.pick(scene.shapes))
    return instruction, (scene,), target
