"""What the demo writes of pictures that it sees: it reads them back, and knows nothing else of their rows."""

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
from dataflow.taxonomy.seen import BACK, IT, SeenBrief
from dataflow.taxonomy.taxonomy import LENGTHS

Difference = tuple[str, Mapping[str, object]]
"""An operation, and what it is about: shapes, and words of the world."""

_IT = {"en": ("the {subject}", "it"), "zh": ("{subject}", "它")}
_BACK = {"en": "go back to version {version} and {said}", "zh": "回到第{version}版，{said}"}


class NoWordsError(Exception):
    """No instruction of this world leads from one scene to the other, or can be asked of it."""


def forms(languages: Sequence[str], operation: str, say_it: Callable[[str, int], str]) -> dict[str, str]:
    """The fields of an instruction: short and long, in each language.

    Args:
        languages: "en", "zh" or both.
        operation: whose phrasings are counted.
        say_it: the instruction, given a language and the index of a phrasing.
    """
    fields: dict[str, str] = {}
    for language in languages:
        # Those that training used: the last phrasing is held out.
        said = {say_it(language, at) for at in range(len(PHRASINGS[operation][language]) - 1)}
        by_length = sorted(said, key=lambda text: (len(text), text))
        fields |= {f"{length}_{language}": by_length[at] for length, at in zip(LENGTHS, (0, -1), strict=True)}
    return fields


def lead(brief: SeenBrief, before: Scene, after: Scene) -> dict[str, str]:
    """The fields of an answer that says what leads from one scene to another.

    Raises:
        NoWordsError: nothing does.
    """
    found = differences(before, after)
    if not before.shapes:  # which no caption describes
        raise NoWordsError

    def said(language: str, phrasing: int) -> str:
        *first, last = [_said(each, language, phrasing) for each in found]
        for each in reversed(first):
            last = say("two", language, phrasing, {"first": each, "second": last})
        return last

    return {"description": caption(before, brief.language), **forms(brief.languages, found[0][0], said)}


def go_on(brief: SeenBrief, offered: Sequence[str], scene: Scene) -> dict[str, str]:
    """The fields of an answer that says what is asked next of a scene.

    Raises:
        NoWordsError: the scene takes no such edit.
    """
    pair = named_after(brief.said[-1]) if brief.refers == IT and brief.said else None
    named = [shape for shape in scene.shapes if shape.pair == pair] or [*scene.shapes]
    if not named:
        raise NoWordsError
    seed = int.from_bytes(hashlib.blake2b(repr((brief, offered, scene)).encode(), digest_size=8).digest())
    chance = np.random.default_rng(seed)
    known = [each for each in offered if each in CHANGES]
    for operation in [known[at] for at in chance.permutation(len(known))]:
        shape = named[int(chance.integers(len(named)))]
        try:
            said = forms(brief.languages, operation, partial(_asked, operation, scene, shape, seed))
        except NoRoomError:
            continue
        spoken = {each: _spoken(brief, said, each.removeprefix("said_"), shape) for each in brief.spoken}
        return {CHOSEN: operation, "description": caption(scene, brief.language), **said, **spoken}
    raise NoWordsError


def differences(before: Scene, after: Scene) -> list[Difference]:
    """What is done to one scene to have the other, at least one thing.

    Raises:
        NoWordsError: they are the same, or a shape must go where no place is named.
    """
    old = [shape for shape in before.shapes if not shows(after, shape)]
    new = [shape for shape in after.shapes if not shows(before, shape)]
    found: list[Difference] = []
    if before.background != after.background:
        found.append(("background", {"colour": after.background}))
    for one in [*old]:
        pairs = [(each, _changed(one, each)) for each in new]
        for other, change in pairs:
            if change is not None:
                found.append(change)
                old.remove(one)
                new.remove(other)
                break
    found = [*(("remove", {"subject": shape}) for shape in old), *found]
    found += [("add", {"shape": shape, "place": _place(shape)}) for shape in new]
    if not found:
        raise NoWordsError
    return found


def _changed(one: Shape, other: Shape) -> Difference | None:
    """The single edit that makes one shape the other; None: none does."""
    has_moved = max(abs(one.x - other.x), abs(one.y - other.y)) > TOLERANCE
    if has_moved:
        alike = (one.pair, one.size) == (other.pair, other.size)
        return ("move", {"subject": one, "place": _place(other)}) if alike else None
    if one.size != other.size:
        return ("resize", {"subject": one, "size": other.size}) if one.pair == other.pair else None
    if one.kind == other.kind:
        return "recolour", {"subject": one, "colour": other.colour}
    return "replace", {"subject": one, "replacement": other}


def _place(shape: Shape) -> str:
    place = nearest_place(shape)
    x, y = PLACES[place]
    if max(abs(shape.x - x), abs(shape.y - y)) > TOLERANCE:
        raise NoWordsError
    return place


def _said(difference: Difference, language: str, phrasing: int) -> str:
    operation, about = difference
    words = {}
    for slot, meant in about.items():
        if isinstance(meant, Shape):
            words[slot] = described(meant, language) if slot == "shape" else subject(meant, language)
        else:
            words[slot] = name(str(meant), language)
    return say(operation, language, phrasing, words)


def _asked(operation: str, scene: Scene, shape: Shape, seed: int, language: str, phrasing: int) -> str:
    """The edit that chance draws: the same one in every language and phrasing."""
    draw = Draw(np.random.default_rng(seed), TRAINED_PAIRS, language, phrasing)
    return CHANGES[operation](draw, scene, shape)[0]


def _spoken(brief: SeenBrief, whole: Mapping[str, str], language: str, shape: Shape) -> str:
    """The short instruction, as one says it in a conversation."""
    said = whole[f"short_{language}"]
    if brief.refers == IT and brief.said and named_after(brief.said[-1]) == shape.pair:
        named, it = _IT[language]
        said = said.replace(named.format(subject=subject(shape, language)), it, 1)
    if brief.refers == BACK:
        said = _BACK[language].format(version=brief.version, said=said)
    return said
