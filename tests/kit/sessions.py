"""Sessions over pictures of the drawn world, with an editor that does what it is told."""

from pathlib import Path
from typing import Any

from dataflow.core.records import Row
from dataflow.demo.edits import make_example
from dataflow.demo.writer import DemoWriter
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditSession
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.kit.grown import WordsEditor, drawn, judge_of

SCENES = [
    each
    for each in (make_example(79, number, operation="recolour").sources[0] for number in range(30))
    if len(each.shapes) > 1
]


class SessionBench:
    """Pictures of the drawn world, and an editor that does what it is told."""

    def __init__(self, folder: Path, *, rows: int = 3) -> None:
        self.folder = folder
        self.rows: list[Row] = [{"images": [drawn(folder, f"{n}", scene)]} for n, scene in enumerate(SCENES[:rows])]

    def run(
        self,
        *,
        writer: Any = None,
        editor: dict[str, Any] | None = None,
        turns: Any = 3,
        gates: bool = False,
        tries: int = 2,
        **settings: Any,
    ) -> Summary:
        self.storage = FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache")
        self.editor = WordsEditor(self.folder / "cache" / "edits", **(editor or {}))
        loop = ImageEditAcceptLoop(self.editor, judge_of(), gates=gates, tries=tries)
        self.step = self.storage.step()
        return ImageEditSession(writer or DemoWriter(), loop, turns=turns, **settings).run(self.step)

    def out(self, side: str = "") -> list[Row]:
        return read_rows(self.step.side(side) if side else self.step.target)


def users(row: Row) -> list[str]:
    return [each["content"] for each in row["conversations"] if each["role"] == "user"]
