"""All replicas of a worker, which are one worker to their pool: it sends as many requests as living replicas take."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ray.util.metrics import Counter, Gauge

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Placement
from dataflow.executors.actor import Settled
from dataflow.executors.replica import PickledWorker, Replica
from dataflow.pools.processes.worker import Copy, Processes

log = logging.getLogger(__name__)

_ROOM_SECONDS = 10.0  # in which an actor starts if the cluster has room
_PAUSE = 1.0  # seconds without a call after which replicas end if another worker lacks room; calls follow faster


class Replicas(Processes):
    """The replicas of one worker.

    Args:
        pickled: the worker to start.
        count: number of replicas.
        held: GPUs that the replicas hold together.
        idle: seconds without a call after which the replicas end.
        neighbours: returns the replicas of all workers.
    """

    def __init__(
        self,
        pickled: PickledWorker,
        count: int,
        held: int,
        *,
        idle: float,
        neighbours: Callable[[], Sequence["Replicas"]],
    ) -> None:
        super().__init__(pickled.worker)
        self._pickled = pickled
        self._count = count
        self._held = held
        self._idle = idle
        self._all_replicas = neighbours
        self._replicas: Sequence[Replica] = ()
        self._keeping: list[asyncio.Task[None]] = []
        self._ending: asyncio.TimerHandle | None = None
        self._in_flight = 0
        self._has_answered = self._has_settled = self._lacks_room = False
        self._failure: Exception | None = None
        self._figures = Figures(repr(pickled.worker))

    @property
    def placement(self) -> Placement:  # type: ignore[override] # read-only here
        """The GPUs that the replicas hold."""
        return Placement(own_process=True, gpus=self._held)

    @property
    def warming(self) -> str:  # type: ignore[override] # as above
        """What answers wait for, in words: room in the cluster, or the loading of the worker."""
        if self.lacks_room:
            return f"waiting until the cluster has room for {self.worker}"
        waits = self._in_flight and not any(each.alive for each in self._replicas)
        return f"loading {self.worker}" if waits else super().warming

    @property
    def lacks_room(self) -> bool:
        """Whether requests wait, and the cluster has had no room for any replica for a while."""
        return self._lacks_room and self._in_flight > 0 and self._is_nowhere()

    async def setup(self) -> None:
        """Start all replicas, and wait for the first.

        Raises:
            ConfigError: a node differs from the driver, or the worker cannot load there.
            WorkerDied: a replica keeps dying.
        """
        self._begin()
        try:
            with self._at_work(1):
                async with self._call_ended:
                    await self._call_ended.wait_for(lambda: self._failure or any(each.alive for each in self._replicas))
                if self._failure is not None:
                    raise self._failure
        except BaseException:
            await self.close()
            raise

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Send a batch to a replica with room; returns its answers."""
        is_first = not self._in_flight
        answers: Sequence[Answer] = ()
        try:
            with self._at_work(len(batch)):
                if self._failure is not None and is_first:  # of an earlier run
                    await self.close()
                if not self._keeping:
                    self._begin()
                answers = await super().call(batch)
        finally:
            self._figures.show(answers, self._in_flight)
        self._has_answered = self._has_answered or any(answer.error is None for answer in answers)
        return answers

    async def close(self) -> None:
        """End all replicas."""
        if self._ending is not None:
            self._ending.cancel()
        keeping, self._keeping = self._keeping, []
        replicas, self._replicas, self._children = self._replicas, (), ()  # a call from now on starts new replicas
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(*(each.end() for each in replicas))

    def rest(self) -> None:
        """End the replicas after a while without a call, which is short while another worker lacks room."""
        if self._in_flight or not self._keeping:
            return
        if self._ending is not None:
            self._ending.cancel()
        others_lack_room = any(each.lacks_room for each in self._all_replicas())
        seconds = min(self._idle, _PAUSE) if others_lack_room else self._idle
        self._ending = asyncio.get_running_loop().call_later(seconds, self._end_idle)

    @contextmanager
    def _at_work(self, requests: int) -> Iterator[None]:
        if self._ending is not None:
            self._ending.cancel()
        self._in_flight += requests
        try:
            yield
        finally:
            self._in_flight -= requests
            self.rest()

    def _is_nowhere(self) -> bool:
        return bool(self._replicas) and not any(each.node for each in self._replicas)

    def _seek_room(self) -> None:
        if self._lacks_room or not self._is_nowhere():
            return
        self._lacks_room = True
        takes = self._pickled.resources
        words = "%s waits until the cluster has room for a replica (GPUs: %g, cores: %g)"
        log.warning(words, self.worker, takes.gpus, takes.cpus)
        for each in self._all_replicas():
            each.rest()

    def _process_count(self) -> int:
        return max(1, sum(each.alive for each in self._replicas))

    def _begin(self) -> None:
        self._failure, self._lacks_room = None, False
        self._children = self._replicas = [Replica(self._pickled) for _ in range(self._count)]
        self._keeping = [asyncio.create_task(self._keep(each)) for each in self._replicas]

    def _end_idle(self) -> None:
        log.info("%s: nothing is asked of it, its replicas end", self.worker)
        self._closing = asyncio.create_task(self.close())

    async def _keep(self, replica: Replica) -> None:
        """Start a replica, and start it again whenever its actor is lost."""
        try:
            while True:
                seeking = asyncio.get_running_loop().call_later(_ROOM_SECONDS, self._seek_room)
                try:
                    self._take_over(await replica.start())
                finally:
                    seeking.cancel()
                self._lacks_room = False
                await self._notify()
                await replica.until_lost()
                self._doubt(replica.node)
        except Exception as error:  # noqa: BLE001 - `call` raises it where answers are waited for
            others = [task for task in self._keeping if not task.done() and task is not asyncio.current_task()]
            if self._has_answered and others:
                log.error("%s. The other replicas go on", error)
            else:
                self._failure = error
            await self._notify()

    def _take_over(self, settled: Settled) -> None:
        """Give the driver's worker the attributes that the first replica has found."""
        if not self._has_settled:
            self._has_settled = True
            self.worker.batching, self.worker.limits = settled.batching, settled.limits
            self.worker.licence = settled.licence

    def _doubt(self, node: str) -> None:
        """Doubt all replicas on a node where one was lost, since the node may be lost."""
        for each in self._replicas:
            each.doubted = each.doubted or each.node == node

    async def _notify(self) -> None:
        async with self._call_ended:
            self._call_ended.notify_all()

    async def _take_child(self, isolated: bool) -> Copy:
        """Wait for a replica that has room and, as far as is known, lives."""
        while True:
            child = await super()._take_child(isolated)
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
    """The metrics of a worker for Ray's dashboard.

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
        """Update the metrics after a call.

        Args:
            answers: of the call; empty: the call raised.
            in_flight: requests in flight now.
        """
        failed = sum(answer.error is not None for answer in answers)
        if answers:
            self._answers.inc(len(answers), self._tags)
        if failed:
            self._failures.inc(failed, self._tags)
        self._in_flight.set(in_flight, self._tags)
