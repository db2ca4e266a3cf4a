"""Rows of the drawn world with their edits, as an accept loop leaves them, without a model that edits."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.core.records import Row
from dataflow.demo.edits import Example, make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.rows import edit_row
from dataflow.demo.world import Scene, Shape, draw
from dataflow.demo.writer import demo_taxonomy
from dataflow.operators.core_vision import ImageEditJudge

STAR, CIRCLE = Shape("star", "red", "large", 16, 16), Shape("circle", "blue", "small", 46, 30)
SCENE = Scene((STAR, CIRCLE), "white")
ACCEPTED = {"accepted": True, "score": 10.0}


def judge_of(**errs: float) -> ImageEditJudge:
    return ImageEditJudge(CheckerJudge(**errs), canaries=False, taxonomy=demo_taxonomy())


def drawn(folder: Path, name: str, scene: Scene) -> str:
    draw(scene).save(folder / f"{name}.png")
    return f"{name}.png"


def row_of(
    folder: Path, instruction: str, before: Scene, after: Scene, *, operation: str = "", name: str = "0", **more: Any
) -> Row:
    """An accepted edit; its pictures lie in the folder."""
    return {
        "images": [drawn(folder, f"{name}_before", before)],
        "conversations": [{"role": "user", "content": instruction}],
        "edited_images": [drawn(folder, f"{name}_after", after)],
        "verdict": ACCEPTED,
        **({"sub_type": operation, "edit_type": "drawn"} if operation else {}),
        **more,
    }


def recoloured(folder: Path, **more: Any) -> Row:
    """The star of SCENE made green."""
    green = replace(SCENE, shapes=(replace(STAR, colour="green"), CIRCLE))
    return row_of(folder, "make the red star green", SCENE, green, operation="recolour", **more)


def example_rows(folder: Path, operations: Sequence[str], count: int, *, seed: int = 77) -> list[tuple[Row, Example]]:
    """Accepted rows of drawn examples, each edited right."""
    found = []
    for number in range(count):
        operation = operations[number % len(operations)]
        example = make_example(seed, number, split="seen", operation=operation)
        row = edit_row(example, f"{number}").row
        after = drawn(folder, f"{number}_after", example.target)
        drawn(folder, f"{number}_1", example.sources[0])
        found.append(({**row, "edited_images": [after], "verdict": ACCEPTED, "sub_type": operation}, example))
    return found
