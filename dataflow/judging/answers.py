"""Reads the numbers in a judge's answer, and never guesses one.

An answer is unfit if a number is missing, stands twice, is outside the scale or is no number. The question is then
asked again, and in the end the edit is unjudged. Published judges put a random number, or the middle of the scale, in
the place of a missing one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.thoughts import without_thoughts

SCALE = 10.0
"""The number of each axis is from 0 to this; numbers of a rubric with another scale are converted."""

_FENCED = re.compile(r"```(?:\w+)?\s*\n?(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*(?:/\s*([0-9]{1,3}(?:\.0+)?)\s*)?")
_DEEPEST = 4  # objects within objects


@dataclass(frozen=True, slots=True)
class Opinion:
    """One answer of a judge about one edit.

    Args:
        axes: name of an axis → its number, 0 to SCALE.
        words: name of a text field of the answer, such as "reasoning" → its text.
    """

    axes: Mapping[str, float]
    words: Mapping[str, str]


def read_opinion(text: str, axes: Sequence[str], *, scale: float = SCALE) -> Opinion:
    """Read the axes in a judge's answer, from one JSON object: bare, fenced, between other words, or after a thought.

    The value of an axis is a number, a number in quotation marks ("7" or "7/10"), or an object whose `score` is one of
    these. All axes must stand in one object, which may lie within another one.

    Args:
        text: text of the answer.
        axes: names of the axes.
        scale: the highest number of the rubric's scale.

    Raises:
        UnfitAnswer: not_json, missing_axis, axis_twice, no_number or off_scale.
    """
    keys = {name: _key(name) for name in axes}
    objects = [each for each in _objects(_parsed(text)) if all(key in each for key in keys.values())]
    if not objects:
        raise UnfitAnswer("missing_axis", f"no JSON object in it has all of {', '.join(axes)}")
    if len(objects) > 1:
        raise UnfitAnswer("axis_twice", f"{len(objects)} JSON objects in it have {', '.join(axes)}")
    (found,) = objects
    words = {name: " ".join(value.split()) for name, value in found.items() if isinstance(value, str)}
    return Opinion(
        {name: _number(name, found[key], scale) * SCALE / scale for name, key in keys.items()},
        {name: value for name, value in words.items() if name not in keys.values()},
    )


def read_choice(text: str, name: str, choices: Sequence[str]) -> str:
    """Read which of several words the JSON object of an answer has under a name; capital letters do not matter.

    Args:
        text: text of the answer.
        name: name of the field.
        choices: the allowed words.

    Raises:
        UnfitAnswer: not_json, missing_axis, axis_twice or no_choice.
    """
    objects = [each for each in _objects(_parsed(text)) if _key(name) in each]
    if len(objects) != 1:
        fault = "axis_twice" if objects else "missing_axis"
        raise UnfitAnswer(fault, f"{len(objects)} JSON objects in it have `{name}`; one must")
    value = objects[0][_key(name)]
    for choice in choices:
        if isinstance(value, str) and value.strip().casefold() == choice.casefold():
            return choice
    raise UnfitAnswer("no_choice", f"`{name}` is {value!r:.80}: it must be one of {', '.join(choices)}")


def _parsed(text: str) -> object:
    answer = without_thoughts(text)
    fenced = _FENCED.findall(answer)
    if len(fenced) > 1:
        raise UnfitAnswer("axis_twice", f"it has {len(fenced)} fenced blocks; one JSON object is wanted")
    inner = fenced[0] if fenced else answer
    start, end = inner.find("{"), inner.rfind("}")
    try:
        return json.loads(inner[start : end + 1], strict=False, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        raise UnfitAnswer("not_json", f"it is not one whole JSON object ({error})") from None


def _no_name_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if _key(name) in found:
            raise UnfitAnswer("axis_twice", f"`{_key(name)}` stands in it twice")
        found[_key(name)] = value
    return found


def _key(name: str) -> str:
    """Return the name of a field without the case of its letters and spaces around it."""
    return name.strip().casefold()


def _objects(value: object, depth: int = 0) -> Iterator[Mapping[str, object]]:
    """Return every JSON object in a value, the value itself first."""
    if isinstance(value, dict) and depth < _DEEPEST:
        yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)


def _number(name: str, value: object, scale: float) -> float:
    if isinstance(value, dict):
        value = value.get("score")
    most = None
    if isinstance(value, str) and (quoted := _NUMBER.fullmatch(value)):
        value, most = float(quoted[1]), quoted[2]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitAnswer("no_number", f"`{name}` is {value!r:.80}: it must be a number from 0 to {scale:g}")
    if not 0 <= value <= scale or most not in (None, f"{scale:g}"):
        written = f"{value!r:.40}/{most}" if most else f"{value!r:.40}"
        raise UnfitAnswer("off_scale", f"`{name}` is {written}: the scale is 0 to {scale:g}")
    return float(value)
