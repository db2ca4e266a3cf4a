"""The process that the kill test of sessions kills: an editor that errs, and a fuse."""

from collections.abc import Sequence
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Batching, Limits
from dataflow.demo.edits import make_example
from dataflow.demo.world import draw
from dataflow.demo.writer import DemoWriter, demo_taxonomy
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge, ImageEditSession
from dataflow.utils.storage import FileStorage
from tests.chaos.accept import WIDTH, Fuse, Judge
from tests.kit.flow import write_rows
from tests.kit.grown import WordsEditor


class Editor(WordsEditor):
    """Fails at a third of what it is asked."""

    limits = Limits(width=WIDTH)

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(folder, fails=lambda request: (sum(request.prompt.encode()) + request.repeat) % 3 == 0)
        self._fuse = fuse

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._fuse.burn()
        return await super().call(batch)


class Writer(DemoWriter):
    """Has few questions in flight."""

    batching = Batching(max_batch=WIDTH)

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job."""
        self._fuse.burn()
        return await super().call(batch)


def pictures(folder: Path, rows: int) -> Path:
    """The file of so many rows, each with a drawn picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(rows):
        if not (folder / f"{number}.png").exists():
            draw(make_example(29, number, operation="recolour").sources[0]).save(folder / f"{number}.png")
    return write_rows(folder / "rows.jsonl", [{"images": [f"{number}.png"]} for number in range(rows)])


def converse(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Hold so many sessions in a folder; killed so many seconds after so many calls, if any."""
    first = pictures(folder, rows)
    fuse = Fuse(calls, delay)
    judge = ImageEditJudge(Judge(fuse), canaries=False, taxonomy=demo_taxonomy())
    loop = ImageEditAcceptLoop(Editor(folder / "cache" / "images", fuse), judge, candidates=2, gates=False)
    ImageEditSession(Writer(fuse), loop, turns=(2, 4)).run(FileStorage(first, folder / "cache").step())
