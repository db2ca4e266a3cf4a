"""A worker for nodes of a cluster, in a module that those can import."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Limits, Resources, Worker

SECONDS = 0.05  # of work for an answer


class Far(Worker):
    """Works on one call at a time, with one ahead, and answers with the prompt; `where` has the process of each.

    A prompt that is "die" and a path ends its process the first time.

    Args:
        libraries: what it says makes its answers, with their versions.
        save_path: as `Worker.save_path`.
    """

    limits = Limits(width=2)
    batching = Batching(ahead=1)
    retry = RetryPolicy(base=0.01)

    def __init__(self, *, libraries: Mapping[str, JSON] | None = None, save_path: str = "") -> None:
        self.libraries = dict(libraries or {})
        self.save_path = save_path
        self._working: asyncio.Lock | None = None

    def __repr__(self) -> str:
        return "Far()"

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": "far"}

    def provenance(self) -> Mapping[str, JSON]:
        return {"libraries": self.libraries}

    def resources(self, gpus: int) -> Resources:
        return Resources(cpus=1.0)

    def settle(self) -> None:
        self.licence = "apache-2.0"

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self._working = self._working or asyncio.Lock()
        async with self._working:
            await asyncio.sleep(SECONDS)
        return [self._answer(job) for job in batch]

    def _answer(self, job: Job) -> Answer:
        word, _, path = job.request.prompt.partition(" ")
        if word == "die" and not os.path.exists(path):
            os.mknod(path)
            os._exit(9)
        return Answer(text=f"{job.request.prompt}/{job.id[:6]}", model=f"{os.getpid()}")
