"""How much of what was made for a row was accepted: what `Summary.accepted` counts."""

from pathlib import Path

from dataflow.flow.recipe import Recipe
from dataflow.flow.replay import Walk


def count_accepted(recipe: Recipe, walk: Walk) -> int:
    """How many pictures that were made for a row are in its output; of a filter, how many rows go on."""
    assert walk.rows is not None
    if recipe.output is not None:
        return sum(count_among(row.get(recipe.output), walk.pictures) for row in walk.rows)
    return len(walk.rows) if recipe.source is None else 0


def count_among(value: object, pictures: set[str]) -> int:
    """How many of these pictures a row's output names."""
    items = value if isinstance(value, list | tuple) else [value]
    return sum(str(item) in pictures for item in items if isinstance(item, str | Path))
