"""Rows with edits of drawn scenes, as an accept loop leaves them, made without a model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataflow.core.records import Request, Row
from dataflow.demo.edits import Example, make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import outcome
from dataflow.demo.reading import read
from dataflow.demo.rows import edit_row
from dataflow.demo.world import Scene, Shape, draw
from dataflow.demo.writer import DemoWriter, demo_taxonomy
from dataflow.flow.summary import Summary
from dataflow.io.encode import rgb_png
from dataflow.operators.core_vision import ImageEditInverter, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

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


class WordsEditor(ScriptedWorker):
    """Paints what the words ask for into the scene of the picture that it is given; else it paints a bare ground.

    Args:
        folder: of its pictures.
        fails: whether it does not do what a request asks for.
        cast: by so many levels each edit is lighter than what it was made of.
    """

    def __init__(
        self, folder: Path, *, fails: Callable[[Request], bool] = lambda request: False, cast: int = 0
    ) -> None:
        super().__init__(self._paint, save_path=folder)
        self._fails, self._cast = fails, cast

    def _paint(self, request: Request) -> bytes:
        with Image.open(request.images[0]) as picture:
            scene, before = read(picture), np.asarray(picture.convert("RGB")).astype(np.int16)
        assert isinstance(scene, Scene)
        target = Scene((), "grey") if self._fails(request) else outcome(request.prompt, [scene])
        drift = before - np.asarray(draw(scene)).astype(np.int16)
        after = np.asarray(draw(target)).astype(np.int16) + int(np.median(drift)) + self._cast
        return rgb_png(Image.fromarray(after.clip(0, 255).astype(np.uint8)))


class InverterBench:
    """A step of rows, turned round."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        self.folder, self.rows = folder, rows

    def run(self, writer: Any = None, *, errs: dict[str, float] | None = None, **settings: Any) -> Summary:
        first = write_rows(self.folder / "rows.jsonl", self.rows)
        self.step = FileStorage(first, self.folder / "cache").step()
        return ImageEditInverter(writer or DemoWriter(), judge_of(**(errs or {})), **settings).run(self.step)

    def out(self, side: str = "") -> list[Row]:
        return read_rows(self.step.side(side) if side else self.step.target)
