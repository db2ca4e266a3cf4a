"""Small real workers: they echo, follow a script, wait for a gate, or break."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from dataflow.core.loop import event_loop
from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.errors import Failure

WAIT = 20.0  # seconds after which a test that waits for something has failed


def until(seen: Callable[[], bool]) -> None:
    """Wait until another process or thread has made `seen` true; fails after 60 s."""
    deadline = time.monotonic() + 3 * WAIT
    while not seen():
        assert time.monotonic() < deadline, "the other process did not get there"
        time.sleep(0.05)


class Echo(Worker):
    """Answers with the prompt and the start of the id; notes what reached it.

    Attributes:
        asked: prompts in the order they were sent, attempts included.
        most: calls that were in flight at once.
    """

    retry = RetryPolicy(base=0.01)

    def __init__(self, *, model: str = "model", width: int = 8, max_batch: int = 1) -> None:
        self.model = model
        self.limits = Limits(width=width)
        self.batching = Batching(max_batch)
        self.asked: list[str] = []
        self.most = 0
        self.prepared = self.set_up = self.closed = 0
        self._now = 0

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": self.model}

    def prepare(self) -> None:
        self.prepared += 1

    async def setup(self) -> None:
        self.set_up += 1

    async def close(self) -> None:
        self.closed += 1

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._now += 1
        self.most = max(self.most, self._now)
        self.asked += [job.request.prompt for job in batch]
        try:
            return [await self.answer(job) for job in batch]
        finally:
            self._now -= 1

    async def answer(self, job: Job) -> Answer:
        return Answer(text=f"{job.request.prompt}/{job.id[:6]}", usage={"tokens": 3.0})


class Uneven(Echo):
    """Each answer takes another number of turns of the loop."""

    async def answer(self, job: Job) -> Answer:
        for _ in range(int(job.id[:2], 16) % 23):
            await asyncio.sleep(0)
        return await super().answer(job)


class Scripted(Echo):
    """For each prompt, fails with the listed errors in turn before it answers."""

    def __init__(self, script: Mapping[str, Sequence[Failure]], *, width: int = 8) -> None:
        super().__init__(width=width)
        self.script = {prompt: list(errors) for prompt, errors in script.items()}

    async def answer(self, job: Job) -> Answer:
        errors = self.script.get(job.request.prompt, [])
        return Answer(error=errors.pop(0)) if errors else await super().answer(job)


class Gated(Echo):
    """Lets nothing through until the test opens the gate."""

    def __init__(self, *, held: str = "", width: int = 8) -> None:
        super().__init__(width=width)
        self.reached = threading.Semaphore(0)
        self._held = held
        self._gate = asyncio.Event()

    async def answer(self, job: Job) -> Answer:
        self.reached.release()
        if self._held in job.request.prompt:
            await self._gate.wait()
        return await super().answer(job)

    def await_jobs(self, count: int) -> None:
        """Wait until so many more jobs have arrived here."""
        for _ in range(count):
            assert self.reached.acquire(timeout=WAIT), "the worker was not asked"

    def open(self) -> None:
        event_loop().call_soon_threadsafe(self._gate.set)


class Breaking(Echo):
    """Raises instead of answering one prompt."""

    def __init__(self, error: BaseException, *, at: str = "", in_setup: bool = False, width: int = 1) -> None:
        super().__init__(width=width)
        self._error, self._at, self._in_setup = error, at, in_setup

    async def setup(self) -> None:
        if self._in_setup:
            raise self._error

    async def answer(self, job: Job) -> Answer:
        if self._at in job.request.prompt:
            raise self._error
        return await super().answer(job)


def asks(*prompts: str) -> list[Request]:
    """A request for a text for each prompt."""
    return [Request(prompt, makes="text") for prompt in prompts]
