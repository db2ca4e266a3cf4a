"""The process of the tests of a judge that is watched: no-ops are in its stream, it charges, and it may be down."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Billing
from dataflow.demo.edits import Example
from dataflow.demo.judge import DRAWN_CANARIES
from dataflow.demo.rows import Made, edit_row
from dataflow.errors import Failure
from dataflow.judging.no_ops import is_chosen
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.utils.storage import FileStorage
from tests.chaos.accept import Editor, Fuse, Judge, to_paint, write

MOST = 0.05  # that one request costs
TOKENS = {"input": 5, "output": 40, "most_input": 4000, "most_picture": 260, "most_output": 1300}  # at most 0.072
PRICES = {"editor": {"image": MOST}, "judge": TOKENS}


class PaidEditor(Editor):
    """Charges for each picture the same, so that of one whose line was lost it is known what it cost."""

    def billing(self) -> Billing:
        return Billing("editor")


class WatchedJudge(Judge):
    """Charges by a request's id, errs of no canary, and is down for some seconds after so many calls."""

    batching = Batching()
    retry = RetryPolicy(retries=6, base=0.05, cap=0.2, probe=0.1)

    def __init__(self, fuse: Fuse, up_for: int, down_for: float) -> None:
        super().__init__(fuse)
        self._up_for, self._down_for, self._down_until = up_for, down_for, 0.0

    def billing(self) -> Billing:
        return Billing("judge")

    def _is_mistaken(self, job: Job, is_right: bool) -> bool:
        is_canary = Path(job.request.images[0]).parent == DRAWN_CANARIES.parent
        return not is_canary and super()._is_mistaken(job, is_right)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._up_for -= 1
        if not self._up_for:
            self._down_until = time.monotonic() + self._down_for
        if time.monotonic() < self._down_until:
            await asyncio.sleep(0.005)
            return [Answer(error=Failure("retry", "connection refused", outage=True)) for _ in batch]
        costs = [round(MOST * int(job.id[:4], 16) / 0x10000, 6) for job in batch]
        answers = zip(await super().call(batch), costs, strict=True)
        return [replace(answer, usage={"cost": cost}) for answer, cost in answers]


def named(example: Example, number: int) -> Made:
    """The row of an example, every other one with a name by which it is chosen for a no-op."""
    tried = (edit_row(example, f"{number}_{name}") for name in itertools.count())
    fits = (each for each in tried if is_chosen([*each.pictures], example.instruction) == (number % 2 == 0))
    return next(fits)


def accept_watched(
    folder: Path,
    rows: int,
    max_cost: float | None = None,
    calls: int = 0,
    delay: float = 0.0,
    up_for: int = 0,
    down_for: float = 0.0,
) -> None:
    """Run the loop on so many rows in a folder, as `accept` does; at the limit it finishes the step."""
    painted = to_paint(rows)
    first = write(folder, [named(example, number) for number, example in enumerate(painted)])
    fuse = Fuse(calls, delay)
    judge = ImageEditJudge(WatchedJudge(fuse, up_for, down_for), canaries=DRAWN_CANARIES)
    editor = PaidEditor(folder, painted, fuse)
    loop = ImageEditAcceptLoop(editor, judge, tries=4, candidates=2, retry="resample")
    storage = FileStorage(first, folder / "cache", max_cost=max_cost, at_limit="finish", prices=PRICES)
    loop.run(storage.step())
