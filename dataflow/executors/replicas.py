"""All replicas of a worker: to their pool they are one worker, asked as much as those that are there can take."""

import asyncio
import logging
from collections.abc import Sequence

from ray.util.metrics import Counter, Gauge

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Placement
from dataflow.executors.actor import Settled
from dataflow.executors.replica import Parcel, Replica
from dataflow.pools.processes.worker import Copy, Processes

log = logging.getLogger(__name__)


class Replicas(Processes):
    """A worker's replicas, as many of them as there are.

    Args:
        parcel: with the worker.
        count: replicas wanted.
        held: GPUs that they hold together.
        idle: seconds without a call after which they end.
    """

    def __init__(self, parcel: Parcel, count: int, held: int, *, idle: float) -> None:
        super().__init__(parcel.worker)
        self._parcel = parcel
        self._count = count
        self._held = held
        self._idle = idle
        self._replicas: Sequence[Replica] = ()
        self._keeping: list[asyncio.Task[None]] = []
        self._ending: asyncio.TimerHandle | None = None
        self._in_flight = 0
        self._has_answered = self._has_settled = False
        self._failure: Exception | None = None
        self._figures = Figures(repr(parcel.worker))

    @property
    def placement(self) -> Placement:  # type: ignore[override] # of the replicas, and not to be set here
        """What they hold of the cluster."""
        return Placement(own_process=True, gpus=self._held)

    @property
    def warming(self) -> str:  # type: ignore[override] # as above
        """What the first answers of a replica wait for, or those of all."""
        waits = self._in_flight and not any(each.alive for each in self._replicas)
        return f"loading {self.worker}" if waits else super().warming

    async def setup(self) -> None:
        """Have all replicas made, and wait for the first.

        Raises:
            ConfigError: a node differs from the driver, or the worker cannot load there.
            WorkerDied: a replica keeps dying.
        """
        self._begin()
        try:
            async with self._call_ended:
                await self._call_ended.wait_for(lambda: self._failure or any(each.alive for each in self._replicas))
            if self._failure is not None:
                raise self._failure
        except BaseException:
            await self.close()
            raise

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Have a replica answer that has room."""
        if self._ending is not None:
            self._ending.cancel()
        is_first = not self._in_flight
        self._in_flight += len(batch)
        answers: Sequence[Answer] = ()
        try:
            if self._failure is not None and is_first:  # of a run before
                await self.close()
            if not self._keeping:
                self._begin()
            answers = await super().call(batch)
        finally:
            self._in_flight -= len(batch)
            if not self._in_flight:
                self._ending = asyncio.get_running_loop().call_later(self._idle, self._end_idle)
            self._figures.show(answers, self._in_flight)
        self._has_answered = self._has_answered or any(answer.error is None for answer in answers)
        return answers

    async def close(self) -> None:
        """End all replicas."""
        if self._ending is not None:
            self._ending.cancel()
        keeping, self._keeping = self._keeping, []
        replicas, self._replicas, self._children = self._replicas, (), ()  # a call that comes now has others made
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(*(each.end() for each in replicas))

    def _processes(self) -> int:
        return max(1, sum(each.alive for each in self._replicas))

    def _begin(self) -> None:
        self._failure = None
        self._children = self._replicas = [Replica(self._parcel) for _ in range(self._count)]
        self._keeping = [asyncio.create_task(self._keep(each)) for each in self._replicas]

    def _end_idle(self) -> None:
        log.info("%s: nothing asked for %g s, its replicas end", self.worker, self._idle)
        self._closing = asyncio.create_task(self.close())

    async def _keep(self, replica: Replica) -> None:
        """Have it made, and made again when it was lost."""
        try:
            while True:
                self._take_over(await replica.start())
                await self._notify()
                await replica.until_lost()
                self._doubt(replica.node)
        except Exception as error:  # noqa: BLE001 - whoever waits for answers must learn of it
            others = [task for task in self._keeping if not task.done() and task is not asyncio.current_task()]
            if self._has_answered and others:
                log.error("%s. The other replicas go on", error)
            else:
                self._failure = error
            await self._notify()

    def _take_over(self, settled: Settled) -> None:
        """What the first replica found out of the worker holds for it."""
        if not self._has_settled:
            self._has_settled = True
            self.worker.batching, self.worker.limits = settled.batching, settled.limits
            self.worker.licence = settled.licence

    def _doubt(self, node: str) -> None:
        """A replica there was lost, and perhaps the node with it."""
        for each in self._replicas:
            each.doubted = each.doubted or each.node == node

    async def _notify(self) -> None:
        async with self._call_ended:
            self._call_ended.notify_all()

    async def _child(self, isolated: bool) -> Copy:
        """A replica that lives, as far as can be known."""
        while True:
            child = await super()._child(isolated)
            assert isinstance(child, Replica)
            is_there = False
            try:
                is_there = await child.is_there()
            finally:
                if not is_there:
                    await self._give_back(child, isolated)
            if is_there:
                return child

    def _has_room(self, child: Copy, isolated: bool) -> bool:
        if self._failure is not None:
            raise self._failure
        return child.alive and super()._has_room(child, isolated)


class Figures:
    """What Ray's dashboard and its metrics show of a worker.

    Args:
        name: of the worker.
    """

    def __init__(self, name: str) -> None:
        tags = ("worker",)
        self._tags = {"worker": name}
        self._answers = Counter("dataflow_answers", "answers, failures included", tags)
        self._failures = Counter("dataflow_failures", "answers that are failures", tags)
        self._in_flight = Gauge("dataflow_in_flight", "requests in flight", tags)

    def show(self, answers: Sequence[Answer], in_flight: int) -> None:
        """After a call."""
        failed = sum(answer.error is not None for answer in answers)
        if answers:
            self._answers.inc(len(answers), self._tags)
        if failed:
            self._failures.inc(failed, self._tags)
        self._in_flight.set(in_flight, self._tags)
