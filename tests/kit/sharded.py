"""A run of three steps whose rows fail, are dropped, become several and ask the same, whole or in shards."""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.core.worker import Billing
from dataflow.errors import Failure
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, FilterOperator, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import Ask, journal_entries, write_rows
from tests.kit.workers import Echo, Uneven

PREFIX = "dataflow_cache_step"


def digest(text: str) -> int:
    return zlib.crc32(text.encode())


class Choosy(Uneven):
    """Refuses one prompt in nine of the first step and one in eleven later: the same ones in every run."""

    async def answer(self, job: Job) -> Answer:
        prompt = job.request.prompt
        if digest(prompt) % (11 if prompt.startswith("again") else 9) == 0:
            return Answer(error=Failure("refused", f"no answer to {prompt[:7]}"))
        return await super().answer(job)


class Sort(FilterOperator):
    """Drops a third of the rows."""

    inputs = ("answer",)

    def question(self, row: Row) -> Request:
        return Request(f"again {row['answer']}", makes="text", worker="model")

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool | tuple[bool, str]:
        assert answers is not None
        return (digest(answers[0].text) % 3 > 0, "unlucky")


class Split(OneWaveOperator):
    """Makes none, one or two rows of each."""

    def run(self, storage: FileStorage | Step) -> Summary:
        return self.execute(storage, inputs="answer", outputs="part")

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        return [Request(row["answer"], makes="text", worker="model")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        return [{**row, columns.output: part} for part in range(digest(answers[0].text) % 3)]


def rows(count: int) -> list[Row]:
    """Every fourth asks what an earlier one asks, in other forms too; some cannot be asked."""
    made: list[Row] = [{"n": n, "prompt": f"p {n // 4 if n % 4 == 3 else n}"} for n in range(count)]
    for n in range(5, count, 37):
        made[n]["prompt"] = None
    return made


def first_entry(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_rows(folder / "prompts.jsonl", rows(count))


def run(first: Path, cache: Path, worker: Any = None, *, at_once: bool = False, **settings: Any) -> list[Summary]:
    """Run the three steps, one after another or overlapped."""
    worker = worker or Choosy(width=16)
    storage = FileStorage(first, cache, **settings)
    with storage.overlapped() if at_once else nullcontext():
        asked = Ask(worker).run(storage.step())
        kept = Sort({"model": worker}).run(storage.step())
        made = Split({"model": worker}).run(storage.step())
    return [asked, kept, made]


def step_files(cache: Path) -> dict[str, bytes]:
    """Name → contents of all step files, side outputs and errors, with the cache directory's path replaced."""
    files = sorted(path for path in cache.glob("*_step[0-9]*") if not path.name.endswith(".meta.json"))
    return {path.name: path.read_bytes().replace(bytes(cache), b"CACHE") for path in files}


def ids(cache: Path) -> list[str]:
    """The ids of all answers and refusals in the journal, repeats included."""
    return sorted(entry["id"] for entry in journal_entries(cache) if entry["t"] in ("got", "fail"))


PRICES: Mapping[str, object] = {"paid": {"input": 1, "output": 1, "most_input": 1000, "most_output": 1000}}


class Paid(Echo):
    """Each answer states its cost, in USD."""

    def billing(self) -> Billing:
        return Billing("paid")

    async def answer(self, job: Job) -> Answer:
        return Answer(text="yes", usage={"cost": len(job.request.prompt) / 1000})
