"""Reads an instruction of the drawn world back, and says what the picture must then show.

It inverts `phrases`: what no phrasing says is not understood, and no guess is made.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from math import ceil

from dataflow.demo.phrases import LANGUAGES, OPERATIONS, PHRASINGS
from dataflow.demo.saying import described, name, subject
from dataflow.demo.world import BACKGROUNDS, COLOURS, GAP, KINDS, PLACES, SIZES, Scene, Shape

Words = Mapping[str, object]


class NotUnderstoodError(Exception):
    """No phrasing says this, or the scene has nothing that it could be said of."""


def outcome(instruction: str, sources: Sequence[Scene]) -> Scene:
    """The scene that an instruction asks for.

    Args:
        instruction: an edit or a composition, in English or Chinese.
        sources: the scenes of the pictures that are given, in order.

    Raises:
        NotUnderstoodError: it is no instruction of this world, or these scenes cannot take it.
    """
    said = " ".join(instruction.lower().split()).strip(" .。")
    for operation, words in _readings(said):
        try:
            if operation == "compose":
                return _composed(words, sources)
            if len(sources) != 1:
                continue
            if operation != "two":
                return _CHANGES[operation](words, sources[0])
            between = outcome(str(words["first"]), sources)
            return outcome(str(words["second"]), (between,))
        except NotUnderstoodError:
            continue
    raise NotUnderstoodError(instruction)


def _readings(said: str) -> Iterator[tuple[str, Words]]:
    for operation, pattern, meanings in _patterns():
        if match := pattern.fullmatch(said):
            yield operation, {slot: meanings[slot].get(word, word) for slot, word in match.groupdict().items()}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Mapping[str, Mapping[str, object]]], ...]:
    """Each phrasing as a pattern, single edits before what joins two; with what its words mean."""
    found = []
    for operation in (*OPERATIONS, "compose", "two"):
        for language in LANGUAGES:
            meanings = _meanings(operation, language)
            for phrasing in PHRASINGS[operation][language]:
                parts = re.split(r"\{(\w+)\}", phrasing)
                pattern = "".join(
                    _slot(part, meanings) if at % 2 else _spelt(part, language) for at, part in enumerate(parts)
                )
                found.append((operation, re.compile(pattern), meanings))
    return tuple(found)


def _spelt(text: str, language: str) -> str:
    return re.sub(r"\ba\\ $", r"an?\\ ", re.escape(text)) if language == "en" else re.escape(text)


def _slot(slot: str, meanings: Mapping[str, Mapping[str, object]]) -> str:
    words = sorted(meanings[slot], key=len, reverse=True)
    return f"(?P<{slot}>{'|'.join(map(re.escape, words)) or '.+?'})"


def _meanings(operation: str, language: str) -> Mapping[str, Mapping[str, object]]:
    """Slot → words → what they mean; no words where any will do."""
    shapes = [Shape(kind, colour, size, 0, 0) for kind, colour, size in product(KINDS, COLOURS, SIZES)]
    pairs = {subject(shape, language): shape.pair for shape in shapes}
    colours = BACKGROUNDS if operation == "background" else COLOURS
    return {
        "subject": pairs,
        "replacement": pairs,
        "anchor": pairs,
        "shape": {described(shape, language): shape for shape in shapes},
        "colour": {name(colour, language): colour for colour in colours},
        "place": {name(place, language): place for place in PLACES},
        "size": {name(size, language): size for size in SIZES},
        "first": {},
        "second": {},
    }


def _named(pair: object, scene: Scene) -> Shape:
    for shape in scene.shapes:
        if shape.pair == pair:
            return shape
    raise NotUnderstoodError(pair)


def _swapped(words: Words, scene: Scene, change: Callable[[Shape], Sequence[Shape]]) -> Scene:
    old = _named(words["subject"], scene)
    kept = tuple(shape for shape in scene.shapes if shape != old)
    return replace(scene, shapes=(*kept, *change(old)))


def _placed(shape: Shape, words: Words) -> Shape:
    x, y = PLACES[str(words["place"])]
    return replace(shape, x=x, y=y)


def _replaced(shape: Shape, words: Words) -> Shape:
    pair = words["replacement"]
    assert isinstance(pair, tuple)
    return replace(shape, colour=pair[0], kind=pair[1])


def _added(words: Words, scene: Scene) -> Scene:
    shape = words["shape"]
    assert isinstance(shape, Shape)
    return replace(scene, shapes=(*scene.shapes, _placed(shape, words)))


_CHANGES: Mapping[str, Callable[[Words, Scene], Scene]] = {
    "recolour": lambda words, scene: _swapped(words, scene, lambda old: [replace(old, colour=str(words["colour"]))]),
    "replace": lambda words, scene: _swapped(words, scene, lambda old: [_replaced(old, words)]),
    "remove": lambda words, scene: _swapped(words, scene, lambda _: []),
    "add": _added,
    "background": lambda words, scene: replace(scene, background=str(words["colour"])),
    "move": lambda words, scene: _swapped(words, scene, lambda old: [_placed(old, words)]),
    "resize": lambda words, scene: _swapped(words, scene, lambda old: [replace(old, size=str(words["size"]))]),
}


def _composed(words: Words, sources: Sequence[Scene]) -> Scene:
    if len(sources) != 2:
        raise NotUnderstoodError("a composition starts from two pictures")
    chosen, anchor = _named(words["subject"], sources[0]), _named(words["anchor"], sources[1])
    x = anchor.x + ceil(anchor.radius + chosen.radius) + GAP
    return replace(sources[1], shapes=(*sources[1].shapes, replace(chosen, x=x, y=anchor.y)))
