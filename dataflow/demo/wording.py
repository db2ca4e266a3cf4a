"""Put the drawn world into words: names, instructions and captions."""

import re

from dataflow.demo.phrases import JOINT, LAST_JOINT, PHRASINGS, PLACED, SHAPE, SUBJECT, WORDS
from dataflow.demo.world import Scene, Shape, nearest_place


def name(word: str, language: str) -> str:
    """The name of a kind, colour, size, background or place in a language."""
    return WORDS[language].get(word, word)


def subject(shape: Shape, language: str) -> str:
    """The words that refer to a shape, which are its colour and kind, as in "red star"."""
    return SUBJECT[language].format(colour=name(shape.colour, language), kind=name(shape.kind, language))


def described(shape: Shape, language: str) -> str:
    """The words that describe a shape without its place, as in "small red star"."""
    words = {part: name(getattr(shape, part), language) for part in ("size", "colour", "kind")}
    return SHAPE[language].format(**words)


def say(operation: str, language: str, phrasing: int, words: dict[str, str]) -> str:
    """The instruction of an operation in one phrasing.

    Args:
        operation: a key of PHRASINGS.
        language: "en" or "zh".
        phrasing: the index of the phrasing; the last is held out of training.
        words: slot of the phrasing → the words that fill it, in that language.
    """
    text = PHRASINGS[operation][language][phrasing].format(**words)
    return re.sub(r"\ba (?=[aeiou])", "an ", text) if language == "en" else text


def caption(scene: Scene, language: str, phrasing: int = 0) -> str:
    """The words that describe a scene of at least one shape; a shape's position is named by the nearest place."""
    shapes = [
        PLACED[language].format(shape=described(shape, language), place=name(nearest_place(shape), language))
        for shape in scene.shapes
    ]
    listed = shapes[-1]
    if len(shapes) > 1:
        listed = LAST_JOINT[language].join((JOINT[language].join(shapes[:-1]), listed))
    return say("draw", language, phrasing, {"shapes": listed, "background": name(scene.background, language)})
