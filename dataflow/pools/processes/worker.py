"""A worker in processes of its own, one per device: to its pool it is a worker like any other.

A call goes to the process with the fewest calls, so none waits while another process is free. The jobs that were in a
process when it died are suspects, since one of them may be the cause. A suspect is asked again in isolation, with no
other call beside it in its process, so that it takes no other along twice.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Batching, Limits, Worker
from dataflow.core.wrapper import WorkerWrapper
from dataflow.errors import ConfigError
from dataflow.pools.processes.child import Child
from dataflow.pools.processes.worker_end import MOVE


class Copy(Protocol):
    """A process with a copy of the worker, as seen from here."""

    @property
    def alive(self) -> bool:
        """Whether it has loaded and runs."""

    @property
    def warming(self) -> str:
        """What the first answers of its worker wait for."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The answers of its worker, or why they are lost."""

    def let_go(self) -> None:
        """Tell its worker that a run stops."""

    async def end(self) -> None:
        """Let it close its worker."""


def place(worker: Worker) -> Worker:
    """The worker itself if it may run here, else one that passes its calls to processes.

    Raises:
        ConfigError: its class cannot be imported elsewhere.
    """
    if worker.placement.processes == 1 and not worker.placement.own_process:
        return worker
    if type(worker).__module__ == "__main__":
        raise ConfigError(f"{type(worker).__name__} is to run in a process of its own. {MOVE}")
    return Processes(worker)


class Processes(WorkerWrapper):
    """Runs a worker's calls in one process per device; all else is the worker's own, in the driver."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._children: Sequence[Copy] = ()
        self._calls: Counter[Copy] = Counter()
        self._reserved: set[Copy] = set()  # for a call in isolation
        self._suspects: set[str] = set()  # ids of jobs
        self._call_ended = asyncio.Condition()

    @property
    def limits(self) -> Limits:  # type: ignore[override] # the worker's own, which changes, and not to be set here
        """The worker's, with the calls of all processes together."""
        limits = self.worker.limits
        return replace(limits, width=limits.width * self._processes())

    @property
    def batching(self) -> Batching:  # type: ignore[override] # as above
        """The worker's, with the calls that wait in all processes together."""
        batching = self.worker.batching
        return replace(batching, ahead=batching.ahead * self._processes())

    @property
    def warming(self) -> str:  # type: ignore[override] # as above
        """What the first answers of a process wait for, if they do in any."""
        return next((child.warming for child in self._children if child.warming), "")

    def _processes(self) -> int:
        """How many there are."""
        return self.placement.processes

    async def setup(self) -> None:
        """Start all processes; they load at the same time.

        Raises:
            ConfigError: the worker cannot be pickled.
            WorkerDied: a process keeps dying.
        """
        worker = self.worker
        copies = [worker.on_device(device) for device in worker.placement.devices] or [worker]
        self._children = children = [Child(copy) for copy in copies]
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(child.start())
        except BaseException as failure:
            await self.close()
            if isinstance(failure, BaseExceptionGroup):
                raise failure.exceptions[0] from None
            raise

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Have a process answer that has room for it."""
        ids = {job.id for job in batch}
        isolated = not ids.isdisjoint(self._suspects)
        child = await self._child(isolated)
        try:
            answers = await child.call(batch)
        finally:
            await self._give_back(child, isolated)
        lost = {job.id for job, answer in zip(batch, answers, strict=True) if answer.error and answer.error.suspect}
        self._suspects = self._suspects - ids | lost
        return answers

    async def _give_back(self, child: Copy, isolated: bool) -> None:
        """A call of it has ended."""
        self._calls[child] -= 1
        if isolated:
            self._reserved.discard(child)
        async with self._call_ended:
            self._call_ended.notify_all()

    async def _child(self, isolated: bool) -> Copy:
        """A process for one call, counted already; one that runs rather than one to be started again."""
        async with self._call_ended:
            while not (free := [child for child in self._children if self._has_room(child, isolated)]):
                await self._call_ended.wait()
            child = min(free, key=lambda child: (self._calls[child], not child.alive))
            self._calls[child] += 1
            if isolated:
                self._reserved.add(child)  # no other call goes there from now on; those that it has end first
                try:
                    await self._call_ended.wait_for(lambda: self._calls[child] == 1)
                except BaseException:
                    self._calls[child] -= 1
                    self._reserved.discard(child)
                    self._call_ended.notify_all()
                    raise
            return child

    def _has_room(self, child: Copy, isolated: bool) -> bool:
        return child not in self._reserved and (isolated or self._calls[child] < self.worker.limits.width)

    def let_go(self) -> None:
        """Tell the worker in every process that a run stops."""
        for child in self._children:
            child.let_go()

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(child.end() for child in self._children))
