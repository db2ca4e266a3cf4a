"""The accept loop over rows of the drawn world, with an editor that paints what a test says, and judges that fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.demo.edits import Example, make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.rows import edit_row
from dataflow.demo.world import COLOURS, Scene, draw
from dataflow.errors import Failure
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

Says = Callable[[Request], str]
"""What a worker paints for a request: "right", "wrong", "same" (the source); or "refused", "down"."""

FAILURES = {"refused": Failure("refused", "against the policy"), "down": Failure("failed", "nobody is there")}


class EditBench:
    """Two rows of the drawn world, and an editor that paints what a test says."""

    def __init__(self, folder: Path, *, rows: int = 2) -> None:
        self.folder = folder
        self.examples = [make_example(11, n, split="seen", operation="recolour") for n in range(rows)]
        self.asked: list[Request] = []
        self._scenes = {each.instruction: each for each in self.examples}
        self.rows = [self._row(each, f"{n}") for n, each in enumerate(self.examples)]

    def _row(self, example: Example, name: str) -> Row:
        made = edit_row(example, name)
        for file, picture in made.pictures.items():
            picture.save(self.folder / file)
        return made.row

    def storage(self, **settings: Any) -> FileStorage:
        return FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache", **settings)

    def editor(self, says: Says) -> ScriptedWorker:
        def script(request: Request) -> bytes | Failure:
            self.asked.append(request)
            example = next(each for words, each in self._scenes.items() if words in request.prompt)
            said = says(request)
            return FAILURES[said] if said in FAILURES else png(scene(example, said), f"{request.repeat}")

        return ScriptedWorker(script, save_path=self.folder / "cache" / "edits")

    def run(
        self,
        says: Says,
        *,
        judge: CheckerJudge | None = None,
        asks: int = 2,
        storage: FileStorage | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Summary:
        judging = ImageEditJudge(judge or CheckerJudge(), asks=asks, canaries=False)
        loop = ImageEditAcceptLoop(self.editor(says), judging, **settings)
        self.asked.clear()
        self.used = storage or self.storage()
        return loop.run(self.used.step(), overwrite=overwrite)

    def out(self, side: str = "") -> list[Row]:
        step = self.used.current
        return read_rows(step.side(side) if side else step.target)


def scene(example: Example, said: str) -> Scene:
    if said == "right":
        return example.target
    if said == "same":
        return example.sources[0]
    first, *others = example.target.shapes
    colour = next(each for each in COLOURS if each not in {shape.colour for shape in example.target.shapes})
    return replace(example.target, shapes=(replace(first, colour=colour), *others))


def png(found: Scene, note: str = "") -> bytes:
    """A file of its own for each note."""
    held, notes = BytesIO(), PngInfo()
    notes.add_text("note", note)
    draw(found).save(held, "PNG", pnginfo=notes)
    return held.getvalue()


def from_then_on(number: int, *, before: str = "wrong") -> Says:
    """Right from this request of a prompt on."""
    return lambda request: "right" if request.repeat >= number else before


def always(said: str) -> Says:
    return lambda request: said


class Mumbles(CheckerJudge):
    """Writes no numbers."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(text="Looks good to me.") for _ in batch]


class Down(CheckerJudge):
    """Does not answer."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(error=FAILURES["down"]) for _ in batch]


class MumblesTwice(CheckerJudge):
    """Writes numbers when it is asked a third time."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        answers = zip(batch, await super().call(batch), strict=True)
        return [answer if job.request.repeat >= 2000 else Answer(text="?") for job, answer in answers]
