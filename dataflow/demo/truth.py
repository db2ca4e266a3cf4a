"""Read and check the truth of a row: for each column of pictures, the scenes that the pictures must show.

The truth is in the row's column TRUTH, as `{"edited_images": [scene, ...]}`. So every picture can be checked by reading
it, whatever made it and wherever its row has been moved.
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
    """Column → the scenes that its pictures must show, in order; empty for a row without truth.

    Raises:
        InputError: the column TRUTH does not have the form of a truth.
    """
    truth = row.get(TRUTH)
    if not truth:
        return {}
    try:
        return {column: [_scene(fields) for fields in scenes] for column, scenes in truth.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"`{TRUTH}` must be like {_FORM}, and reading {str(truth)[:200]} gave {error!r}: correct it, or leave it"
            f" out"
        ) from None


def as_truth(scenes: Mapping[str, Sequence[Scene]]) -> JSON:
    """The truth of a row as `truth_of` reads it.

    Args:
        scenes: column → the scenes that its pictures must show, in order.
    """
    return {column: [_plain(scene) for scene in expected] for column, expected in scenes.items()}


def faults(names: Sequence[str], scenes: Sequence[Scene], resolve: Resolve) -> list[str]:
    """The fault of each picture of a column, in one or two words; empty for a picture without a fault.

    Args:
        names: the pictures as the row names them; with k pictures per scene, the first k belong to the first scene.
        scenes: the scenes that the pictures must show.
        resolve: finds the file of a picture's name.
    """
    return [_fault(resolve(name), scenes[number * len(scenes) // len(names)]) for number, name in enumerate(names)]


def _fault(path: Path, scene: Scene) -> str:
    with Image.open(path) as picture:
        found = read(picture)
    return "" if agree(found, scene) else fault(found, scene)


def _scene(fields: Mapping[str, Any]) -> Scene:
    return Scene(tuple(Shape(**shape) for shape in fields["shapes"]), fields["background"])


def _plain(scene: Scene) -> JSON:
    return {"background": scene.background, "shapes": [asdict(shape) for shape in scene.shapes]}
