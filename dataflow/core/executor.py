"""Pools: a worker's open connections or weights, and the queue in front of them.

A pool lives on the process's event loop, is opened at the first request nobody has answered yet and
outlives the step that opened it. It owns attempts: what failed for a passing reason goes back into
the queue with a due time, never sleeping in a slot. What an answer means for a row is not its business:
it tells the ticket's sink and forgets.
"""

import asyncio
import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dataflow.core.gpus import Gpus
from dataflow.core.limits import Limit
from dataflow.core.loop import event_loop, submit
from dataflow.core.processes import place
from dataflow.core.records import Answer, Job, Request, digest_fingerprint, digest_request, salt_twin
from dataflow.core.tickets import Sink, Ticket, Tickets
from dataflow.core.worker import Worker
from dataflow.errors import (
    DataflowError,
    FatalAnswer,
    LostAnswer,
    RateLimited,
    RefusedAnswer,
    RowError,
    TransientAnswer,
)
from dataflow.utils.files import sha256_hex

log = logging.getLogger(__name__)


class Pool:
    """One worker, its queue and what is in flight. All methods but `submit` and `cancel` run on the loop."""

    def __init__(self, worker: Worker, gpus: Gpus) -> None:
        self.worker = worker
        self.in_flight = 0
        self._gpus = gpus
        self._limit = Limit(worker.width)
        self._tickets = Tickets()
        self._retries = 0  # waiting for their time
        self._tasks: dict[asyncio.Task[None], list[Ticket]] = {}
        self._ready: asyncio.Task[None] | None = None
        self._wake: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether it is open and has nothing to do, now or later."""
        opened = self._ready is not None and self._ready.done()
        return opened and not (self._tickets or self._tasks or self._retries)

    def submit(self, jobs: Sequence[Job], sink: Sink, *, begun: bool) -> None:
        """Queue jobs from any thread; those of rows already begun go before all others."""
        if self.worker.max_batch == 1:
            tickets = [Ticket(job, sink) for job in jobs]
        else:
            tickets = [Ticket(job, sink, self.worker.batch_key(job.request)) for job in jobs]
        event_loop().call_soon_threadsafe(self._enqueue, tickets, begun)

    def cancel(self, sink: Sink) -> None:
        """Cut off what this sink has in flight, from any thread; those answers are lost."""
        event_loop().call_soon_threadsafe(self._cancel, sink)

    async def close(self) -> None:
        """Undo the worker's `setup`; a later request opens the pool again."""
        opening, self._ready = self._ready, None
        if opening is None:
            return
        self._give_up(DataflowError(f"{self.worker} was closed before it could answer"))
        try:
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await opening
                await self.worker.close()
        finally:
            self._gpus.give_back(self)

    def _enqueue(self, tickets: list[Ticket], begun: bool) -> None:
        for ticket in tickets:
            self._tickets.put(ticket, begun=begun)
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_task(self._open())
        self._fill()

    async def _open(self) -> None:
        try:
            await self._gpus.take(self)
            await self.worker.setup()
        except Exception as error:  # noqa: BLE001 - whoever waits for answers must learn of it
            self._gpus.give_back(self)
            self._give_up(error)
            self._ready = None
            return
        asyncio.get_running_loop().call_soon(self._fill)

    def _give_up(self, error: Exception) -> None:
        while batch := self._tickets.take(1):
            batch[0].sink.broken(batch[0].job, error)

    def _fill(self) -> None:
        """Start what may start now."""
        if self._ready is None or not self._ready.done():
            return
        while self._tickets and self.in_flight < min(self._limit.allowed, self.worker.width):
            wait = self._limit.wait(time.monotonic()) or self._tickets.wait(self.worker.max_batch)
            if wait:
                if self._wake is None:
                    self._wake = asyncio.get_running_loop().call_later(wait, self._woken)
                return
            batch = self._next_batch()
            if not batch:
                break
            self.in_flight += 1
            task = asyncio.get_running_loop().create_task(self._call(batch))
            self._tasks[task] = batch
            task.add_done_callback(self._ended)
        if self.idle:
            self._gpus.noticed_idle()

    def _next_batch(self) -> list[Ticket]:
        """The next jobs that are still wanted; empty if nothing waits any more."""
        batch: list[Ticket] = []
        while self._tickets and not batch:
            taken = self._tickets.take(self.worker.max_batch)
            batch = [ticket for ticket in taken if ticket.sink.starting(ticket.job, ticket.attempt)]
        return batch

    def _woken(self) -> None:
        self._wake = None
        self._fill()

    def _ended(self, task: asyncio.Task[None]) -> None:
        batch = self._tasks.pop(task)
        self.in_flight -= 1
        error = DataflowError(f"{self.worker} cancelled its call") if task.cancelled() else task.exception()
        if error is not None:
            for ticket in batch:
                if not ticket.cut:
                    ticket.sink.broken(ticket.job, error)
        self._fill()

    async def _call(self, batch: list[Ticket]) -> None:
        answers = await self.worker.call([ticket.job for ticket in batch])
        if len(answers) != len(batch):
            raise DataflowError(f"{self.worker} gave {len(answers)} answers to {len(batch)} jobs")
        for ticket, answer in zip(batch, answers, strict=True):
            if not ticket.cut:
                self._settle(ticket, answer)

    def _settle(self, ticket: Ticket, answer: Answer) -> None:
        error = answer.error
        if isinstance(error, RateLimited):
            self._limit.rate_limited(error.wait, time.monotonic())
        if not isinstance(error, TransientAnswer):
            self._limit.answered(self.worker.width)
            ticket.sink.answered(ticket.job, ticket.attempt, answer)
        elif self.worker.retry.allows(error, ticket.attempt):
            ticket.sink.retrying(ticket.job, ticket.attempt, error)
            delay = self.worker.retry.delay(error, ticket.attempt, ticket.job.id)
            key = object() if isinstance(error, LostAnswer) else ticket.key  # no other job has this key
            again = Ticket(ticket.job, ticket.sink, key, ticket.attempt + 1)
            self._retries += 1
            asyncio.get_running_loop().call_later(delay, self._retry, again)
        else:
            ticket.sink.answered(ticket.job, ticket.attempt, _last_word(answer, error))

    def _retry(self, ticket: Ticket) -> None:
        self._retries -= 1
        self._enqueue([ticket], True)

    def _cancel(self, sink: Sink) -> None:
        for task, batch in self._tasks.items():
            for ticket in batch:
                ticket.cut = ticket.cut or ticket.sink is sink
            if all(ticket.cut for ticket in batch):
                task.cancel()


def _last_word(answer: Answer, error: TransientAnswer) -> Answer:
    if not error.refuse_after:
        return answer
    refused = RefusedAnswer(error.reason, said=error.said, maybe_paid=error.maybe_paid, usage=error.usage)
    return Answer(text=answer.text, usage=answer.usage, error=refused)


class LocalExecutor:
    """Pools of this process and its children; they outlive the steps that opened them and end with the process.

    Args:
        gpus: how many pools may hold together; None: as many as this process may see.
    """

    def __init__(self, *, gpus: int | None = None) -> None:
        self._pools: dict[Worker, Pool] = {}
        self._gpus = Gpus(gpus)
        self._lock = threading.Lock()

    def pool(self, worker: Worker) -> Pool:
        """The worker's pool: `prepare` runs here the first time, `setup` when the first job arrives.

        Raises:
            ConfigError: the worker's settings are wrong, or it needs more GPUs than there are.
        """
        with self._lock:
            if worker not in self._pools:
                worker.prepare()
                self._gpus.check(worker)
                placed = place(worker)
                if not self._pools:
                    atexit.register(self.close)
                self._pools[worker] = Pool(placed, self._gpus)
            return self._pools[worker]

    def close(self) -> None:
        """Close every pool; a later request opens them again."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            submit(pool.close()).result(timeout=10)


DEFAULT_EXECUTOR = LocalExecutor()


class _Collector:
    """The sink of requests that belong to no step: keeps the answers in memory."""

    def __init__(self, waiting: set[str]) -> None:
        self._waiting = waiting
        self.answers: dict[str, Answer] = {}
        self.failure: BaseException | None = None
        self.done = threading.Event()

    def starting(self, job: Job, attempt: int) -> bool:
        return not self.done.is_set()

    def retrying(self, job: Job, attempt: int, error: TransientAnswer) -> None:
        log.info("attempt %d failed, another follows: %s", attempt + 1, error)

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        self.answers[job.id] = answer
        self._waiting.discard(job.id)
        if isinstance(answer.error, FatalAnswer):
            self.failure = answer.error
        if self.failure is not None or not self._waiting:
            self.done.set()

    def broken(self, job: Job, error: BaseException) -> None:
        self.failure = error
        self.done.set()


def call_directly(
    worker: Worker, requests: Sequence[Request], *, executor: LocalExecutor = DEFAULT_EXECUTOR
) -> list[Answer]:
    """Ask outside any step: with retries and the worker's limits, without a journal.

    Raises:
        ConfigError: the worker's settings are wrong.
        RowError: a picture of a request cannot be read.
        FatalAnswer: no request can succeed; nothing more was sent.
    """
    if not requests:
        return []
    jobs = _identify(worker, requests)
    sink = _Collector({job.id for job in jobs})
    executor.pool(worker).submit(jobs, sink, begun=True)
    try:
        sink.done.wait()
    finally:
        sink.done.set()  # after a Ctrl-C nothing more is sent
    if sink.failure is not None:
        raise sink.failure
    return [sink.answers[job.id] for job in jobs]


def _identify(worker: Worker, requests: Sequence[Request]) -> list[Job]:
    fingerprint = digest_fingerprint(worker.fingerprint())
    seen: Counter[bytes] = Counter()
    jobs = []
    for request in requests:
        try:
            digests = {path: sha256_hex(Path(path).read_bytes()) for path in request.all_images()}
        except OSError as error:
            raise RowError(f"cannot read picture {error.filename}: {error.strerror}") from error
        digest = digest_request(request, fingerprint, digests)
        jobs.append(Job(salt_twin(digest, seen[digest]), request))
        seen[digest] += 1
    return jobs
