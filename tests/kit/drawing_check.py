"""The condition check over rows of the drawn world, with a painter that draws what a test says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.core.records import Request, Row
from dataflow.demo.edits import make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import described_scene
from dataflow.errors import Failure
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import CheckedImageGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.edit_loop import FAILURES, Says, png
from tests.kit.flow import read_rows, write_rows


class DrawingBench:
    """Rows of the drawn world, and a painter that draws what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = [make_example(31, n, operation="draw") for n in range(3)]
        self.said = [each.instruction for each in self.scenes]
        self.rows: list[Row] = [{"conversations": said} for said in self.said[:2]]
        self.asked: list[Request] = []

    def painter(self, says: Says) -> ScriptedWorker:
        def script(request: Request) -> bytes | Failure:
            self.asked.append(request)
            said = says(request)
            return FAILURES[said] if said in FAILURES else self.drawing(request.prompt, said, request.repeat)

        return ScriptedWorker(script, save_path=self.folder / "cache" / "drawings")

    def drawing(self, description: str, said: str, note: int = 0) -> bytes:
        target = described_scene(description)
        shown = target if said == "right" else replace(target, shapes=target.shapes[1:])
        return png(shown, f"{note}")

    def put(self, name: str, description: str, said: str) -> str:
        """A picture that stands, by its name."""
        (self.folder / name).write_bytes(self.drawing(description, said))
        return name

    def storage(self, **settings: Any) -> FileStorage:
        return FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache", **settings)

    def run(
        self,
        says: Says,
        *,
        judge: CheckerJudge | None = None,
        storage: FileStorage | None = None,
        columns: Row | None = None,
        canaries: Any = False,
        **settings: Any,
    ) -> Summary:
        self.asked.clear()
        operator = CheckedImageGenerator(self.painter(says), judge or CheckerJudge(), canaries=canaries, **settings)
        self.used = storage or self.storage()
        return operator.run(self.used.step(), **(columns or {}))

    def out(self, side: str = "") -> list[Row]:
        step = self.used.current
        return read_rows(step.side(side) if side else step.target)

    def repeats(self) -> list[int]:
        return sorted(request.repeat for request in self.asked)
