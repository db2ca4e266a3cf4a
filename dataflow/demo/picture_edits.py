"""Write instructions for scenes that were read from pictures: the edit between two scenes, or the next edit of one."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from dataflow.demo.changes import CHANGES, Draw, NoRoomError
from dataflow.demo.checker import TOLERANCE, shows
from dataflow.demo.edits import TRAINED_PAIRS
from dataflow.demo.parsing import named_after
from dataflow.demo.phrases import PHRASINGS
from dataflow.demo.wording import caption, described, name, say, subject
from dataflow.demo.world import PLACES, Scene, Shape, nearest_place
from dataflow.taxonomy.brief import CHOSEN
from dataflow.taxonomy.picture_brief import BACK, IT, PictureBrief
from dataflow.taxonomy.taxonomy import LENGTHS

Difference = tuple[str, Mapping[str, object]]
"""An operation, and what fills the slots of its phrasings: shapes, and words of the world."""

_IT = {"en": ("the {subject}", "it"), "zh": ("{subject}", "它")}
_BACK = {"en": "go back to version {version} and {said}", "zh": "回到第{version}版，{said}"}


class NoWordsError(Exception):
    """No instruction of this world leads from one scene to the other, or fits the scene."""


def instruction_forms(languages: Sequence[str], operation: str, say_it: Callable[[str, int], str]) -> dict[str, str]:
    """The fields of an instruction in a writer's answer: the shortest and the longest phrasing, in each language.

    Args:
        languages: "en", "zh" or both.
        operation: the operation whose phrasings are used.
        say_it: returns the instruction for a language and the index of a phrasing.
    """
    fields: dict[str, str] = {}
    for language in languages:
        # Without the last phrasing, which is held out of training.
        texts = {say_it(language, phrasing) for phrasing in range(len(PHRASINGS[operation][language]) - 1)}
        by_length = sorted(texts, key=lambda text: (len(text), text))
        fields |= {f"{length}_{language}": by_length[end] for length, end in zip(LENGTHS, (0, -1), strict=True)}
    return fields


def edit_between(brief: PictureBrief, before: Scene, after: Scene) -> dict[str, str]:
    """The fields of a writer's answer: the instruction that leads from one scene to another.

    Args:
        brief: has the languages.
        before: the source scene.
        after: the scene that the instruction must ask for.

    Raises:
        NoWordsError: no instruction leads there, or the source scene has no shapes, which no caption describes.
    """
    found = differences(before, after)
    if not before.shapes:
        raise NoWordsError

    def instruction(language: str, phrasing: int) -> str:
        *first, last = [_worded(difference, language, phrasing) for difference in found]
        for words in reversed(first):
            last = say("two", language, phrasing, {"first": words, "second": last})
        return last

    fields = instruction_forms(brief.languages, found[0][0], instruction)
    return {"description": caption(before, brief.language), **fields}


def next_edit(brief: PictureBrief, offered: Sequence[str], scene: Scene) -> dict[str, str]:
    """The fields of a writer's answer: the next edit of a scene in a session.

    Args:
        brief: has the languages, and how the instruction refers to earlier ones.
        offered: the names of the operations to choose from.
        scene: the scene that is edited next.

    Raises:
        NoWordsError: the scene can take none of the operations.
    """
    pair = named_after(brief.said[-1]) if brief.refers == IT and brief.said else None
    named = [shape for shape in scene.shapes if shape.pair == pair] or [*scene.shapes]
    if not named:
        raise NoWordsError
    seed = int.from_bytes(hashlib.blake2b(repr((brief, offered, scene)).encode(), digest_size=8).digest())
    chance = np.random.default_rng(seed)
    known = [operation for operation in offered if operation in CHANGES]
    for operation in [known[number] for number in chance.permutation(len(known))]:
        shape = named[int(chance.integers(len(named)))]
        try:
            fields = instruction_forms(brief.languages, operation, partial(_edit, operation, scene, shape, seed))
        except NoRoomError:
            continue
        spoken = {name: _spoken(brief, fields, name.removeprefix("said_"), shape) for name in brief.spoken}
        return {CHOSEN: operation, "description": caption(scene, brief.language), **fields, **spoken}
    raise NoWordsError


def differences(before: Scene, after: Scene) -> list[Difference]:
    """The edits that turn one scene into the other, at least one.

    Raises:
        NoWordsError: the scenes are the same, or a shape must be put where no place has a name.
    """
    old = [shape for shape in before.shapes if not shows(after, shape)]
    new = [shape for shape in after.shapes if not shows(before, shape)]
    found: list[Difference] = []
    if before.background != after.background:
        found.append(("background", {"colour": after.background}))
    for shape in [*old]:
        changes = [(changed, _change(shape, changed)) for changed in new]
        for changed, change in changes:
            if change is not None:
                found.append(change)
                old.remove(shape)
                new.remove(changed)
                break
    found = [*(("remove", {"subject": shape}) for shape in old), *found]
    found += [("add", {"shape": shape, "place": _place(shape)}) for shape in new]
    if not found:
        raise NoWordsError
    return found


def _change(old: Shape, new: Shape) -> Difference | None:
    """The single edit that turns one shape into another; None if there is none."""
    has_moved = max(abs(old.x - new.x), abs(old.y - new.y)) > TOLERANCE
    if has_moved:
        is_same = (old.pair, old.size) == (new.pair, new.size)
        return ("move", {"subject": old, "place": _place(new)}) if is_same else None
    if old.size != new.size:
        return ("resize", {"subject": old, "size": new.size}) if old.pair == new.pair else None
    if old.kind == new.kind:
        return "recolour", {"subject": old, "colour": new.colour}
    return "replace", {"subject": old, "replacement": new}


def _place(shape: Shape) -> str:
    """The name of the place that a shape is at; raises `NoWordsError` if the shape is at none, within TOLERANCE."""
    place = nearest_place(shape)
    x, y = PLACES[place]
    if max(abs(shape.x - x), abs(shape.y - y)) > TOLERANCE:
        raise NoWordsError
    return place


def _worded(difference: Difference, language: str, phrasing: int) -> str:
    """The instruction for a difference."""
    operation, slots = difference
    words = {}
    for slot, value in slots.items():
        if isinstance(value, Shape):
            words[slot] = described(value, language) if slot == "shape" else subject(value, language)
        else:
            words[slot] = name(str(value), language)
    return say(operation, language, phrasing, words)


def _edit(operation: str, scene: Scene, shape: Shape, seed: int, language: str, phrasing: int) -> str:
    """The instruction of a random edit, which is the same edit in every language and phrasing."""
    draw = Draw(np.random.default_rng(seed), TRAINED_PAIRS, language, phrasing)
    return CHANGES[operation](draw, scene, shape)[0]


def _spoken(brief: PictureBrief, fields: Mapping[str, str], language: str, shape: Shape) -> str:
    """The short instruction in the words of a conversation, which may say "it" or go back to an earlier version."""
    text = fields[f"short_{language}"]
    if brief.refers == IT and brief.said and named_after(brief.said[-1]) == shape.pair:
        named, it = _IT[language]
        text = text.replace(named.format(subject=subject(shape, language)), it, 1)
    if brief.refers == BACK:
        text = _BACK[language].format(version=brief.version, said=text)
    return text
