"""A worker that runs in processes of its own, one for each device; its pool sees one worker like any other.

A call goes to the process with the fewest calls, so that no call waits while a process is free. When a process dies,
all jobs in it are suspects, since one of them may be the cause. A suspect is asked again in isolation, with no other
call beside it in its process, so that it cannot cost other jobs their answers a second time.
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
    """A process that holds a copy of the worker."""

    @property
    def alive(self) -> bool:
        """Whether the process has loaded its worker and runs."""

    @property
    def warming(self) -> str:
        """What the first answers of the worker wait for; empty if they wait for nothing."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Give the answers of the worker, or failures that say why the answers are lost."""

    def let_go(self) -> None:
        """Tell the worker that a run stops."""

    async def end(self) -> None:
        """Close the worker and end the process."""


def place(worker: Worker) -> Worker:
    """Give the worker itself if it may run in this process, or else one that passes its calls to other processes.

    Raises:
        ConfigError: the worker's class is defined in the script itself, from where no other process can import it.
    """
    if worker.placement.processes == 1 and not worker.placement.own_process:
        return worker
    if type(worker).__module__ == "__main__":
        raise ConfigError(f"{type(worker).__name__} is to run in a process of its own. {MOVE}")
    return Processes(worker)


class Processes(WorkerWrapper):
    """Runs the calls of a worker in one process for each device; all else runs in the driver."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._children: Sequence[Copy] = ()
        self._calls: Counter[Copy] = Counter()  # in flight
        self._reserved: set[Copy] = set()  # processes that are kept free for a call in isolation
        self._suspects: set[str] = set()  # ids of jobs that were in a process when it died
        self._call_ended = asyncio.Condition()

    @property
    def limits(self) -> Limits:  # type: ignore[override] # those of the worker, which may change; they are not set here
        """The worker's limits, with the width of all processes together."""
        limits = self.worker.limits
        return replace(limits, width=limits.width * self._process_count())

    @property
    def batching(self) -> Batching:  # type: ignore[override] # as above
        """The worker's batching, with the calls that wait in all processes together."""
        batching = self.worker.batching
        return replace(batching, ahead=batching.ahead * self._process_count())

    @property
    def warming(self) -> str:  # type: ignore[override] # as above
        """What the first answers of some process wait for; empty if none of them waits."""
        return next((child.warming for child in self._children if child.warming), "")

    def _process_count(self) -> int:
        """Count the processes."""
        return self.placement.processes

    async def setup(self) -> None:
        """Start all processes, which load the worker at the same time.

        Raises:
            ConfigError: the worker cannot be pickled.
            WorkerDied: a process died three times in a row.
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
        """Pass a batch to a process with room for one more call, and give that process's answers."""
        ids = {job.id for job in batch}
        isolated = not ids.isdisjoint(self._suspects)
        child = await self._take_child(isolated)
        try:
            answers = await child.call(batch)
        finally:
            await self._give_back(child, isolated)
        lost = {job.id for job, answer in zip(batch, answers, strict=True) if answer.error and answer.error.suspect}
        self._suspects = self._suspects - ids | lost
        return answers

    async def _give_back(self, child: Copy, isolated: bool) -> None:
        """Note that a call of a process has ended."""
        self._calls[child] -= 1
        if isolated:
            self._reserved.discard(child)
        async with self._call_ended:
            self._call_ended.notify_all()

    async def _take_child(self, isolated: bool) -> Copy:
        """Take a place for one call in the process with the fewest calls, rather in one that runs than in a dead one.

        Args:
            isolated: whether no other call may be in that process.
        """
        async with self._call_ended:
            while not (free := [child for child in self._children if self._has_room(child, isolated)]):
                await self._call_ended.wait()
            child = min(free, key=lambda child: (self._calls[child], not child.alive))
            self._calls[child] += 1
            if isolated:
                self._reserved.add(child)  # no other call goes there from now on, and the calls in it end first
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
