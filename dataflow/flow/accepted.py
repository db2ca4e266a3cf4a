"""Counts the accepted results of a row, which `Summary.accepted` adds up."""

from pathlib import Path

from dataflow.flow.recipe import Recipe
from dataflow.flow.walk import Walk
from dataflow.judging.verdict import REJECTED, is_accepted


def count_accepted(recipe: Recipe, walk: Walk) -> int:
    """How many results of a row were accepted.

    That is how many pictures that were made for the row its output column names; for a filter, how many rows go on; and
    for a step with the side output `rejected`, how many rows come out with an accepted edit.

    Args:
        recipe: of the step.
        walk: the row, which has ended.
    """
    assert walk.rows is not None
    if recipe.output is None:
        return len(walk.rows) if recipe.source is None or REJECTED in recipe.sides else 0
    outputs = [row.get(recipe.output) for row in walk.rows]
    if REJECTED in recipe.sides:
        return sum(map(is_accepted, outputs))
    return sum(count_among(value, walk.pictures) for value in outputs)


def count_among(value: object, pictures: set[str]) -> int:
    """How many of these pictures the value of an output column names.

    Args:
        value: a path or a list of paths; anything else names none.
        pictures: absolute paths.
    """
    items = value if isinstance(value, list | tuple) else [value]
    return sum(str(item) in pictures for item in items if isinstance(item, str | Path))
