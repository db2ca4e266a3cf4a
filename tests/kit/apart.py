"""A worker that runs in processes of its own, which import it from this module; its prompts say how it behaves."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Limits, Placement, Worker
from dataflow.errors import ConfigError, Failure


@dataclass(eq=False)
class Apart(Worker):
    """Answers with the prompt, its device and its process id.

    Prompts that are a word and a path make it do something with the file first: `hold` waits until somebody
    opens the named pipe for writing, `release` does that, `die` ends the process the first time. `always-die`,
    `raise` and `refuse` do what they say, and `nonsense` gives what is no answer. `meet` waits for a second call of
    that prompt in the same process, `linger` for the end of the process unless its file is there, `stay` until a run
    stops. `warm` says that the worker warms up, `cool` that it no longer does.

    Args:
        folder: for the log of calls; `in-<device>` there appears before a call, with its prompts.
        setup_does: what `setup` does: "raise", "die", or nothing.
        alive: a named pipe that is open for writing while the process lives.
    """

    folder: str
    placement: Placement = field(default=Placement(("left", "right")))
    batching: Batching = field(default=Batching())
    limits: Limits = field(default=Limits())
    setup_does: str = ""
    alive: str = ""
    extra: object = None
    retry: RetryPolicy = field(default=RetryPolicy(base=0.01))
    _now: int = 0
    _met: asyncio.Event | None = None
    _stopped: asyncio.Event | None = None
    _warming: str = ""

    @property
    def warming(self) -> str:
        return self._warming

    def __repr__(self) -> str:
        return "Apart()"

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": "apart"}

    async def setup(self) -> None:
        print("loading", self.placement.devices, flush=True)
        if self.alive:
            os.write(os.open(self.alive, os.O_WRONLY), f"{os.getpid()}\n".encode())
        if self.setup_does == "raise":
            raise ConfigError("a damaged checkpoint")
        if self.setup_does == "die":
            sys.stderr.write("not enough memory for the weights\n")
            os._exit(9)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        with Path(self.folder, f"log-{'-'.join(self.placement.devices)}").open("a") as log:
            log.write("|".join(job.request.prompt for job in batch) + "\n")
        self._now += 1
        for job in batch:
            await self._wait(job.request.prompt)
        with Path(self.folder, "beside").open("a") as log:
            log.write("".join(f"{job.request.prompt}|{self._now}\n" for job in batch))
        try:
            return [self.answer(job) for job in batch]
        finally:
            self._now -= 1

    async def _wait(self, prompt: str) -> None:
        word, _, path = prompt.partition(" ")
        if word == "meet":
            self._met = self._met or asyncio.Event()
            while self._now < 2 and not self._met.is_set():
                await asyncio.sleep(0)
            self._met.set()
        elif word in ("warm", "cool"):
            self._warming = f"warming up on {self.placement.devices[0]}" if word == "warm" else ""
        elif word == "stay":
            self._stopped = self._stopped or asyncio.Event()
            await self._stopped.wait()
        elif word == "linger":
            if not Path(path).exists():
                await asyncio.Event().wait()
            for _ in range(2000):
                await asyncio.sleep(0)

    def answer(self, job: Job) -> Answer:
        word, _, path = job.request.prompt.partition(" ")
        if word == "hold":
            Path(path).read_bytes()
        elif word == "release":
            Path(path).write_bytes(b"")
        elif word == "always-die" or (word == "die" and not Path(path).exists()):
            Path(path or os.devnull).write_bytes(b"")
            print("about to fail", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "raise":
            raise ZeroDivisionError("a bug")
        elif word == "refuse":
            usage = MappingProxyType({"images": 1.0})
            return Answer(error=Failure("refused", "no more", said="402", usage=usage), usage=usage)
        elif word == "nonsense":
            return "no answer"  # type: ignore[return-value] # a bug of a worker's author
        return Answer(text=f"{job.request.prompt}|{'-'.join(self.placement.devices)}|{os.getpid()}")

    def let_go(self) -> None:
        if self._stopped is not None:
            self._stopped.set()

    async def close(self) -> None:
        print("closing", self.placement.devices, flush=True)


def batches(folder: Path) -> list[list[str]]:
    """The prompts of every call that has begun, sorted by device."""
    lines = [line for path in sorted(folder.glob("log-*")) for line in path.read_text().splitlines()]
    return [line.split("|") for line in lines]
