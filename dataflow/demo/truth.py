"""The truth in a row: for each column of pictures, the scenes that they have to show.

It stands in the column TRUTH as `{"edited_images": [scene, ...]}`, so whatever made the pictures, and however
the rows were moved about, each can be judged by reading it back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.core.records import JSON, Row
from dataflow.demo.checker import agree, fault
from dataflow.demo.reading import read
from dataflow.demo.world import Scene, Shape
from dataflow.errors import InputError

TRUTH = "demo_truth"

_FORM = "{column: [{background, shapes: [{kind, colour, size, x, y}]}]}"

Resolve = Callable[[str], Path]


def truth_of(row: Row) -> dict[str, list[Scene]]:
    """Column → the scenes its pictures have to show, in order; empty for a row without truth.

    Raises:
        InputError: what stands in the column is no truth.
    """
    told = row.get(TRUTH)
    if not told:
        return {}
    try:
        return {column: [_scene(each) for each in scenes] for column, scenes in told.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"`{TRUTH}` must be like {_FORM}, and {error!r} came of {str(told)[:200]}: correct it, or leave it out"
        ) from None


def as_truth(scenes: Mapping[str, Sequence[Scene]]) -> JSON:
    """What `truth_of` reads."""
    return {column: [_plain(scene) for scene in those] for column, those in scenes.items()}


def faults(names: Sequence[str], scenes: Sequence[Scene], resolve: Resolve) -> list[str]:
    """What is wrong with each picture of a column; "" where it shows what it has to.

    Args:
        names: the pictures; with k of them per scene, the first k belong to the first scene.
        scenes: what they have to show.
        resolve: finds the file that a name means.
    """
    return [_fault(resolve(name), scenes[at * len(scenes) // len(names)]) for at, name in enumerate(names)]


def _fault(path: Path, scene: Scene) -> str:
    with Image.open(path) as picture:
        found = read(picture)
    return "" if agree(found, scene) else fault(found, scene)


def _scene(told: Mapping[str, Any]) -> Scene:
    return Scene(tuple(Shape(**shape) for shape in told["shapes"]), told["background"])


def _plain(scene: Scene) -> JSON:
    return {"background": scene.background, "shapes": [asdict(shape) for shape in scene.shapes]}
