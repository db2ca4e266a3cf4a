"""The process that the kill test of the accept loop kills: an editor and a judge that err, and a fuse."""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.core.records import Answer, Job, Request
from dataflow.core.worker import Limits
from dataflow.demo.edits import Example, make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.rows import Made, edit_row
from dataflow.demo.world import draw
from dataflow.io.encode import rgb_png
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows

WIDTH = 4


class Fuse:
    """Kills this process some seconds after so many calls."""

    def __init__(self, calls: int, delay: float) -> None:
        self._left = calls
        self._delay = delay

    def burn(self) -> None:
        self._left -= 1
        if not self._left:
            threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGKILL)).start()


class Editor(ScriptedWorker):
    """Paints a third of the edits rightly, and the others in a wrong place."""

    limits = Limits(width=WIDTH)

    def __init__(self, folder: Path, painted: Sequence[Example], fuse: Fuse) -> None:
        super().__init__(self._paint, save_path=folder / "cache" / "images")
        self._examples = {example.instruction: example for example in painted}
        self._fuse = fuse

    def _paint(self, request: Request) -> bytes:
        example = next(each for words, each in self._examples.items() if request.prompt.startswith(words))
        if (sum(request.prompt.encode()) + request.repeat) % 3 == 0:
            return rgb_png(draw(example.target))
        return rgb_png(draw(replace(example.target, shapes=example.target.shapes[1:])))

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._fuse.burn()
        return await super().call(batch)


class Judge(CheckerJudge):
    """Errs."""

    limits = Limits(width=WIDTH)

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(false_accept=0.3, false_reject=0.1)
        self._fuse = fuse

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._fuse.burn()
        return await super().call(batch)


def to_paint(rows: int) -> list[Example]:
    """What so many rows ask for."""
    return [make_example(23, number, split="seen", operation="recolour") for number in range(rows)]


def write(folder: Path, made: Sequence[Made]) -> Path:
    """The file of these rows, with their pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (each for row in made for each in row.pictures.items()):
        if not (folder / name).exists():
            picture.save(folder / name)
    return write_rows(folder / "rows.jsonl", [row.row for row in made])


def accept(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Run the loop on so many rows in a folder; killed so many seconds after so many calls, if any."""
    painted = to_paint(rows)
    first = write(folder, [edit_row(example, f"{number}") for number, example in enumerate(painted)])
    fuse = Fuse(calls, delay)
    judge = ImageEditJudge(Judge(fuse), canaries=False)
    loop = ImageEditAcceptLoop(Editor(folder, painted, fuse), judge, tries=4, candidates=2, retry="resample")
    loop.run(FileStorage(first, folder / "cache").step())
