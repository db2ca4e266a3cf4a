"""Parse an instruction or a description of the drawn world, and find the scene that it asks for.

The parser inverts the module `phrases`: words that fit no phrasing are not understood, and nothing is guessed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import product
from math import ceil

from dataflow.demo.phrases import JOINT, LANGUAGES, LAST_JOINT, OPERATIONS, PHRASINGS, PLACED
from dataflow.demo.wording import described, name, subject
from dataflow.demo.world import BACKGROUNDS, COLOURS, GAP, KINDS, PLACES, SIZES, Scene, Shape

Words = Mapping[str, object]
"""Slot of a phrasing → what its words mean: a shape, a pair of colour and kind, or a name of the world."""
Meanings = Mapping[str, Words]
"""Slot of a phrasing → words that may fill it → what they mean; a slot without words may have any."""


class NotUnderstoodError(Exception):
    """The words fit no phrasing, or the scene lacks the shape that they name."""


def outcome(instruction: str, sources: Sequence[Scene]) -> Scene:
    """The scene that an instruction asks for.

    Args:
        instruction: an edit or a composition, in English or Chinese.
        sources: the scenes of the source pictures, in order.

    Raises:
        NotUnderstoodError: this is no instruction of this world, or it does not fit the scenes.
    """
    for operation, words in _readings(_plain(instruction)):
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


def described_scene(description: str) -> Scene:
    """The scene that a caption describes, with each shape in the middle of its place.

    Args:
        description: the caption, in English or Chinese.

    Raises:
        NotUnderstoodError: this is no caption of this world.
    """
    for language in LANGUAGES:
        for phrasing in PHRASINGS["draw"][language]:
            if words := _read(_plain(description), "draw", language, phrasing):
                with suppress(NotUnderstoodError):
                    return _drawn(words, language)
    raise NotUnderstoodError(description)


def has_what_is_named(scene: Scene, instruction: str, number: int, of: int) -> bool:
    """Whether a scene has the shapes that an instruction needs.

    Args:
        scene: the scene of one source picture.
        instruction: an edit, or a composition of two pictures.
        number: the number of that picture among the instruction's source pictures, from 1.
        of: the number of the instruction's source pictures.
    """
    if of == 1:
        with suppress(NotUnderstoodError):
            return outcome(instruction, (scene,)) is not None
        return False
    named = "subject" if number == 1 else "anchor"
    readings = _readings(_plain(instruction))
    pairs = [words[named] for operation, words in readings if operation == "compose"]
    return any(shape.pair in pairs for shape in scene.shapes)


def named_after(instruction: str) -> tuple[str, str] | None:
    """The colour and kind, after an edit, of the shape that the edit names; None if no such shape is left."""
    for operation, words in _readings(_plain(instruction)):
        pair = words.get("replacement", words.get("subject"))
        if operation == "add" and isinstance(words["shape"], Shape):
            return words["shape"].pair
        if operation in ("recolour", "replace", "move", "resize") and isinstance(pair, tuple):
            return (str(words["colour"]), pair[1]) if operation == "recolour" else (pair[0], pair[1])
    return None


def _plain(text: str) -> str:
    """A text in lower case, with single spaces and without the full stop."""
    return " ".join(text.lower().split()).strip(" .。")


def _readings(text: str) -> Iterator[tuple[str, Words]]:
    """Every operation whose phrasings fit a text, with what fills the slots; single edits before joined ones."""
    for operation in (*OPERATIONS, "compose", "two"):
        for language in LANGUAGES:
            for phrasing in PHRASINGS[operation][language]:
                if words := _read(text, operation, language, phrasing):
                    yield operation, words


def _read(text: str, operation: str, language: str, phrasing: str) -> Words | None:
    """What fills the slots of a phrasing in a text; None if the text does not fit the phrasing."""
    pattern, meanings = _pattern(operation, language, phrasing)
    match = pattern.fullmatch(text)
    return match and {slot: meanings[slot].get(word, word) for slot, word in match.groupdict().items()}


@cache
def _pattern(operation: str, language: str, phrasing: str) -> tuple[re.Pattern[str], Meanings]:
    meanings = _meanings(operation, language)
    """The regular expression of a phrasing, with a group for each slot, and the words that each slot may have."""
    # `split` returns texts and, at the odd numbers, the slots between them.
    parts = re.split(r"\{(\w+)\}", phrasing)
    patterns = [_slot(part, meanings) if number % 2 else _literal(part, language) for number, part in enumerate(parts)]
    return re.compile("".join(patterns)), meanings


def _literal(text: str, language: str) -> str:
    """The regular expression of a text between slots; in English a final "a" may be "an"."""
    return re.sub(r"\ba\\ $", r"an?\\ ", re.escape(text)) if language == "en" else re.escape(text)


def _slot(slot: str, meanings: Meanings) -> str:
    words = sorted(meanings[slot], key=len, reverse=True)
    return f"(?P<{slot}>{'|'.join(map(re.escape, words)) or '.+?'})"


def _meanings(operation: str, language: str) -> Meanings:
    """The words that each slot of an operation's phrasings may have, and what they mean."""
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
        "background": {name(ground, language): ground for ground in BACKGROUNDS},
        "first": {},
        "second": {},
        "shapes": {},
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


def _drawn(words: Words, language: str) -> Scene:
    scene = Scene((), str(words["background"]))
    for text in re.split(f"{LAST_JOINT[language]}|{JOINT[language]}", str(words["shapes"])):
        placed = _read(text, "draw", language, PLACED[language])
        if placed is None:
            raise NotUnderstoodError(text)
        scene = _added(placed, scene)
    return scene


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
