"""Narrows JSON values of unknown type: a value of another type than the expected one counts as absent."""

from collections.abc import Mapping
from math import isfinite

from dataflow.core.records import JSON


def as_dict(value: JSON) -> dict[str, JSON]:
    """The value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_list(value: JSON) -> list[JSON]:
    """The value if it is an array, else an empty array."""
    return value if isinstance(value, list) else []


def as_dicts(value: JSON) -> list[dict[str, JSON]]:
    """The objects in the value if it is an array, else an empty list."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def as_text(value: JSON) -> str:
    """The value if it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def as_number(value: JSON) -> float | None:
    """The value if it is a finite number, or a text of one, as in forms; else None. True and false are no numbers."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def merged(ours: Mapping[str, JSON], theirs: Mapping[str, JSON]) -> dict[str, JSON]:
    """Both sets of fields. Of two with one name theirs counts; of two objects both sets of fields are merged likewise.

    Args:
        ours: the fields that may be replaced.
        theirs: the fields that replace them.
    """
    result = dict(ours)
    for name, value in theirs.items():
        own = result.get(name)
        result[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    return result
