"""The process that the kill test of the condition check kills: a painter and a judge that err, and a fuse."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.core.records import Answer, Job, Request
from dataflow.core.worker import Limits
from dataflow.demo.edits import make_example
from dataflow.demo.parsing import described_scene
from dataflow.demo.world import draw
from dataflow.io.encode import rgb_png
from dataflow.operators.core_vision import CheckedImageGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.chaos.accept import WIDTH, Fuse, Judge
from tests.kit.flow import write_rows


class Painter(ScriptedWorker):
    """Draws a third of the pictures rightly, and leaves a shape out of the others."""

    limits = Limits(width=WIDTH)

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(self._paint, save_path=folder / "cache" / "images")
        self._fuse = fuse

    def _paint(self, request: Request) -> bytes:
        target = described_scene(request.prompt)
        if (sum(request.prompt.encode()) + request.repeat) % 3 == 0:
            return rgb_png(draw(target))
        return rgb_png(draw(replace(target, shapes=target.shapes[1:])))

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._fuse.burn()
        return await super().call(batch)


def check_drawings(folder: Path, rows: int, calls: int = 0, delay: float = 0.0) -> None:
    """Run the check on so many rows of two pictures; killed so many seconds after so many calls, if any."""
    said = [make_example(29, number, operation="draw").instruction for number in range(2 * rows)]
    folder.mkdir(parents=True, exist_ok=True)
    written = [{"conversations": [*pair]} for pair in zip(said[::2], said[1::2], strict=True)]
    first = write_rows(folder / "rows.jsonl", [*written, *written[:5]])  # the last ask what the first do
    fuse = Fuse(calls, delay)
    check = CheckedImageGenerator(Painter(folder, fuse), Judge(fuse), canaries=False)
    check.run(FileStorage(first, folder / "cache").step())
