"""JSON of unknown shape, narrowed: what has another type than expected counts as absent."""

from collections.abc import Mapping
from math import isfinite

from dataflow.core.records import JSON


def as_dict(value: JSON) -> dict[str, JSON]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: JSON) -> list[JSON]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_dicts(value: JSON) -> list[dict[str, JSON]]:
    """The objects in the value if it is an array, else none."""
    return [each for each in as_list(value) if isinstance(each, dict)]


def as_text(value: JSON) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_number(value: JSON) -> float | None:
    """The value if it is a finite number or a text that says one, as forms hold it; True is none."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def merged(ours: Mapping[str, JSON], theirs: Mapping[str, JSON]) -> dict[str, JSON]:
    """Both sets of fields; theirs win, but an object of theirs keeps what only ours under its name has."""
    result = dict(ours)
    for name, value in theirs.items():
        mine = result.get(name)
        result[name] = {**mine, **value} if isinstance(mine, dict) and isinstance(value, dict) else value
    return result
