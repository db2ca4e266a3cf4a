"""The processes that the kill tests of inverses and compositions kill: a judge that errs, and a fuse."""

from pathlib import Path

from dataflow.demo.writer import DemoWriter, demo_taxonomy
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditComposer,
    ImageEditInverter,
    ImageEditJudge,
    ImageEditSession,
)
from dataflow.utils.storage import FileStorage
from tests.chaos.accept import Fuse, Judge
from tests.chaos.converse import Writer, pictures
from tests.kit.flow import write_rows
from tests.kit.grown import WordsEditor, example_rows, judge_of

OPERATIONS = ("recolour", "add", "move", "background", "remove")


def invert(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Invert so many rows in a folder; killed so many seconds after so many calls, if any."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "rows.jsonl"
    if not first.exists():
        made = [row for row, _ in example_rows(folder, OPERATIONS, rows)]
        made[0]["images"] = made[0]["images"] * 2  # has no inverse
        write_rows(first, made)
    fuse = Fuse(calls, delay)
    judge = ImageEditJudge(Judge(fuse), canaries=False, taxonomy=demo_taxonomy())
    ImageEditInverter(Writer(fuse), judge).run(FileStorage(first, folder / "cache").step())


def compose(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Compose the turns of so many sessions, held before and in another cache."""
    first = pictures(folder, rows)
    held = FileStorage(first, folder / "held")
    loop = ImageEditAcceptLoop(WordsEditor(folder / "held" / "images"), judge_of(), gates=False)
    step = held.step()
    if not step.target.exists():
        ImageEditSession(DemoWriter(), loop, turns=(2, 4)).run(step)
    fuse = Fuse(calls, delay)
    judge = ImageEditJudge(Judge(fuse), canaries=False, taxonomy=demo_taxonomy())
    ImageEditComposer(Writer(fuse), judge).run(FileStorage(step.target, folder / "cache").step())
