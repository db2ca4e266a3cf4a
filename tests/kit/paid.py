"""A worker that charges by tokens, with its prices, and what a directory has spent."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Billing
from dataflow.journal.journal import Journal
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import prompts_storage
from tests.kit.workers import Scripted

# 100 in and 10 out cost 0.0003; a request may cost (256 + 1) in and 100 out: 0.001257.
PRICES = {"paid": {"input": 1.0, "output": 20.0, "most_input": 1000, "most_output": 100}}
USAGE = {"prompt_tokens": 100.0, "completion_tokens": 10.0}
COST, MOST = 300_000, 2_257_000


class Paid(Scripted):
    """Charges by tokens; notes what was in flight, at its highest cost, beside what had been spent."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args or ({},), **kwargs)  # type: ignore[arg-type]
        self.model = "paid"

    def billing(self) -> Billing:
        return Billing(self.model)

    async def answer(self, job: Job) -> Answer:
        await asyncio.sleep(int(job.id[:2], 16) / 20_000)
        answer = await super().answer(job)
        return answer if answer.error else Answer(text=answer.text, usage=USAGE)


def storage(folder: Path, prompts: Sequence[str], **settings: object) -> FileStorage:
    return prompts_storage(folder, prompts, prices=PRICES, **settings)


def money(folder: Path) -> tuple[int, int, int]:
    with Journal.opened(folder / "cache") as journal:
        known = journal.index.money
        return known.spent, known.unsure, known.reserved


def names(count: int) -> list[str]:
    return [chr(0x4E00 + n) if n > 60 else chr(65 + n) for n in range(count)]


class PaidPainter(ScriptedWorker):
    """Charges by the picture."""

    images_per_prompt = 1

    def billing(self) -> Billing:
        return Billing("paint")
