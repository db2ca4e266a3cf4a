"""Rows in a file, a storage on them, and two small operators, which most tests of the flow need."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.core.records import Answer, PictureFacts, Request, Row
from dataflow.core.worker import Worker
from dataflow.flow.recipe import Recipe, Steps
from dataflow.flow.summary import Summary
from dataflow.io.image import check_picture
from dataflow.journal.lines import decode_line
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.files import stamp_of
from dataflow.utils.storage import FileStorage, Step


def write_rows(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path | str) -> list[Row]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def prompts_storage(folder: Path, prompts: Iterable[str], **settings: Any) -> FileStorage:
    """A storage in `folder/cache` on one row per prompt."""
    first = write_rows(folder / "prompts.jsonl", [{"prompt": prompt} for prompt in prompts])
    return FileStorage(str(first), cache_path=str(folder / "cache"), **settings)


def draw(path: Path, colour: str = "red", size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def facts_of(path: Path) -> PictureFacts:
    """The facts of a picture file that a request's id depends on."""
    return PictureFacts(path.stat().st_size, stamp_of(path.stat()), *check_picture(str(path)))


def journal_entries(cache: Path) -> list[Row]:
    lines = (cache / ".dataflow" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    entries = [decode_line(line) for line in lines]
    return [entry for entry in entries if entry is not None]


def flat(said: object) -> str:
    """A text of several lines, such as a summary, as one line."""
    return " ".join(str(said).split())


def column(storage_or_step: FileStorage | Step, name: str) -> list[object]:
    """One column of the step's finished file."""
    step = storage_or_step.current if isinstance(storage_or_step, FileStorage) else storage_or_step
    return [row[name] for row in read_rows(step.target)]


class Ask(OneWaveOperator):
    """Asks each row's prompt, or each of a list of prompts, and stores the words that come back."""

    def __init__(self, worker: Worker) -> None:
        super().__init__({"model": worker})

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_key: str = "prompt",
        output_key: str = "answer",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        return self.execute(
            storage, inputs=input_key, outputs=output_key, overwrite=overwrite, retry_rejected=retry_rejected
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        value = row[columns.inputs[0]]
        prompts = value if isinstance(value, list) else [value]
        images = tuple(row.get("images", ()))
        return [Request(prompt, images, makes="text", worker="model") for prompt in prompts]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: " ".join(answer.text for answer in answers)}]


def judge_until_good(row: Row) -> Steps:
    """Two models in turn: an editor, and a judge whose critique goes into the next attempt."""
    instruction = row["prompt"]
    for attempt in range(3):
        (made,) = yield [Request(instruction, makes="text", repeat=attempt, worker="editor")]
        made.raise_for_error()
        (verdict,) = yield [Request(f"judge {made.text}", makes="text", worker="judge")]
        if verdict.text.startswith("good"):
            return [{**row, "answer": made.text, "attempts": attempt + 1}]
        instruction = f"{row['prompt']}, but {verdict.text}"
    return []


def recipe(worker: Worker, **settings: object) -> Recipe:
    """`Ask` as a recipe, for `run_step` with settings of its own."""
    operator = Ask(worker)
    made = Recipe(
        name="Ask",
        steps=lambda row: operator.steps(row, Columns(("prompt",), ("answer",))),
        workers={"model": worker},
        inputs=("prompt",),
        output="answer",
    )
    return replace(made, **settings)  # type: ignore[arg-type]
