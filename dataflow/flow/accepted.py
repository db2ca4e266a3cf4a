"""How much of what was made for a row was accepted: what `Summary.accepted` counts."""

from pathlib import Path

from dataflow.flow.recipe import Recipe
from dataflow.flow.walk import Walk
from dataflow.judging.verdict import REJECTED, is_accepted


def count_accepted(recipe: Recipe, walk: Walk) -> int:
    """How many pictures that were made for a row are in its output; of a filter, how many rows go on.

    Args:
        recipe: of the step; one that rejects rows counts those with an accepted edit.
        walk: of the row, at its end.
    """
    assert walk.rows is not None
    if recipe.output is None:
        return len(walk.rows) if recipe.source is None or REJECTED in recipe.sides else 0
    outputs = [row.get(recipe.output) for row in walk.rows]
    if REJECTED in recipe.sides:
        return sum(map(is_accepted, outputs))
    return sum(count_among(value, walk.pictures) for value in outputs)


def count_among(value: object, pictures: set[str]) -> int:
    """How many of these pictures a row's output names."""
    items = value if isinstance(value, list | tuple) else [value]
    return sum(str(item) in pictures for item in items if isinstance(item, str | Path))
