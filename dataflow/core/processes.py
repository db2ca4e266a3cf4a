"""A worker in processes of its own, one per device: to its pool it is a worker like any other.

Each call goes to a process that is free, so none waits for another.
"""

import asyncio
from collections.abc import Hashable, Mapping, Sequence

from dataflow.core.child import Child
from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.worker import Worker
from dataflow.core.worker_process import MOVE
from dataflow.errors import ConfigError


def place(worker: Worker) -> Worker:
    """The worker itself if it may run here, else one that passes its calls to processes.

    Raises:
        ConfigError: its class cannot be imported elsewhere.
    """
    if len(worker.devices) <= 1 and not worker.own_process:
        return worker
    if type(worker).__module__ == "__main__":
        raise ConfigError(f"{type(worker).__name__} is to run in a process of its own. {MOVE}")
    return Processes(worker)


class Processes(Worker):
    """Runs a worker's calls in one process per device."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.max_batch = worker.max_batch
        self.width = max(1, len(worker.devices))
        self.resources = worker.resources
        self.retry = worker.retry
        self.save_path = worker.save_path
        self._children: list[Child] = []
        self._busy: set[Child] = set()

    def __repr__(self) -> str:
        return repr(self.worker)

    def fingerprint(self) -> Mapping[str, JSON]:
        """The worker's own."""
        return self.worker.fingerprint()

    def batch_key(self, request: Request) -> Hashable:
        """The worker's own."""
        return self.worker.batch_key(request)

    async def setup(self) -> None:
        """Start all processes; they load at the same time.

        Raises:
            ConfigError: the worker cannot be pickled.
            WorkerDied: a process keeps dying.
        """
        worker = self.worker
        copies = [worker.on_device(device) for device in worker.devices] or [worker]
        self._children = [Child(copy) for copy in copies]
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children:
                    group.create_task(child.start())
        except BaseException as failure:
            await self.close()
            if isinstance(failure, BaseExceptionGroup):
                raise failure.exceptions[0] from None
            raise

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Have one free process answer; one that is alive rather than one to be started again."""
        free = [child for child in self._children if child not in self._busy]
        child = next((child for child in free if child.alive), free[0])
        self._busy.add(child)
        try:
            return await child.call(batch)
        finally:
            self._busy.discard(child)

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(child.end() for child in self._children))
