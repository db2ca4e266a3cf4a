"""Pools: a worker with its open connections or loaded weights, and the queue of jobs in front of it.

A pool lives on the event loop of the process. It is opened by the first job, and outlives the step that opened it. The
pool decides on attempts: a job that failed for a passing reason returns to the queue at a due time, and takes no place
in flight until then. What an answer means for a row is decided elsewhere: the pool hands the answer to the ticket's
sink, and keeps nothing of it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from inspect import isawaitable

from dataflow.core.loop import event_loop
from dataflow.core.records import Answer, Job
from dataflow.core.words import count_of
from dataflow.core.worker import Worker
from dataflow.errors import DataflowError, Failure
from dataflow.pools.breaker import Breaker
from dataflow.pools.gpus import Gpus
from dataflow.pools.limits import Call, Limit, limit_of
from dataflow.pools.tickets import Sink, Ticket, Tickets

log = logging.getLogger(__name__)

Followers = dict[str, list[Callable[[], None]]]
"""The ids of jobs in flight, each with callbacks for when that job has ended."""


class Pool:
    """One worker, its queue, and its calls in flight. All methods but `submit`, `cancel` and `let_go` run on the loop.

    Args:
        worker: answers the jobs.
        gpus: the GPUs that all pools of the executor share.
        followers: of jobs in flight in any pool of the executor.

    Attributes:
        in_flight: calls of this pool that have not ended.
    """

    def __init__(self, worker: Worker, gpus: Gpus, followers: Followers) -> None:
        self.worker = worker
        self.in_flight = 0
        self._opening = ""  # what the pool waits for until it is open; empty: it is open, or was never asked
        self._down = ""  # why the pool waits for an address; empty: the address answers
        self._gpus = gpus
        self._followers = followers
        self._limit: Limit = limit_of(worker.limits)
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._breaker = Breaker(worker.retry.probe, worker.retry.dead, event_loop().time)
        self._tickets = Tickets(grouped=worker.batching.groups)
        self._retries = 0  # jobs that wait for the due time of their next attempt
        self._tasks: dict[asyncio.Task[None], list[Ticket]] = {}
        self._ready: asyncio.Task[None] | None = None
        self._wake: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> str:
        """What the worker's account may ask at once and in a minute, as far as was found: " of 64, 590 a minute"."""
        return self._limit.shown(self.worker.limits.width)

    @property
    def use(self) -> float:
        """The calls in flight at the server, as a share of those that may be."""
        return self._limit.in_flight / max(1, min(self._limit.allowed, self.worker.limits.width))

    @property
    def pause(self) -> str:
        """What the answers wait for while none can come, such as a model that loads; empty if they may come."""
        return self._down or self.worker.warming or self._opening

    @property
    def idle(self) -> bool:
        """Whether the pool is open and has nothing to do, now or when a retry is due."""
        opened = self._ready is not None and self._ready.done()
        return opened and not (self._tickets or self._tasks or self._retries)

    def submit(self, jobs: Sequence[Job], sink: Sink, *, begun: bool) -> None:
        """Queue jobs, from any thread.

        Args:
            jobs: to be answered.
            sink: learns what becomes of the jobs.
            begun: whether the rows of these jobs have answers already; such jobs go before all others.
        """
        if self.worker.batching.max_batch == 1 and not self.worker.batching.groups:
            tickets = [Ticket(job, sink) for job in jobs]
        else:
            tickets = [Ticket(job, sink, self.worker.batch_key(job.request)) for job in jobs]
        event_loop().call_soon_threadsafe(self._enqueue, tickets, begun)

    def cancel(self, sink: Sink) -> None:
        """Cut off the calls in flight of this sink, from any thread; their answers are lost."""
        event_loop().call_soon_threadsafe(self._cancel, sink)

    def let_go(self) -> None:
        """Tell the worker, from any thread, that a run stops: it ends waits that the next run can take up again."""
        event_loop().call_soon_threadsafe(self.worker.let_go)

    async def close(self) -> None:
        """Undo the worker's `setup` and give up the jobs that wait; a later job opens the pool again."""
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
            self._opening = "waiting for a GPU"
            await self._gpus.take(self)
            loads = self.worker.placement.devices or self.worker.placement.own_process
            self._opening = f"{'loading' if loads else 'opening'} {self.worker}"
            await self.worker.setup()
        except Exception as error:  # noqa: BLE001 - the sinks that wait for answers must learn of it
            self._gpus.give_back(self)
            self._give_up(error)
            self._ready = None
            return
        finally:
            self._opening = ""
        asyncio.get_running_loop().call_soon(self._fill)

    def _give_up(self, error: Exception) -> None:
        while batch := self._tickets.take(1):
            batch[0].sink.broken(batch[0].job, error)

    def _fill(self) -> None:
        """Start the calls that may start now; where more must wait, arrange to be called again."""
        if self._ready is None or not self._ready.done():
            return
        limits, batching = self.worker.limits, self.worker.batching
        if limits.account is None:
            self._limit.width.follow(limits.width)
        self._limit.pace.ceiling = limits.per_minute
        while self._tickets and self.in_flight < (1 if self._breaker.open else limits.width):
            now = time.monotonic()
            ahead = self.in_flight >= limits.width - batching.ahead
            fills = self._tickets.wait(batching.max_batch, ahead=ahead)
            wait = self._breaker.wait or fills or self._limit.wait(now)
            # Room comes when a call of the account ends, perhaps one of another pool. Everything else comes with time.
            if wait == math.inf:
                self._limit.wake_when_free(self._fill)
                break
            if wait:
                self._wake_in(wait)
                return
            batch = self._next_batch()
            if not batch:
                break
            self.in_flight += 1
            self._breaker.probing()
            call = self._limit.start(now)
            task = asyncio.get_running_loop().create_task(self._call(batch, call))
            self._tasks[task] = batch
            self._calls[task] = call
            task.add_done_callback(self._ended)
        if self.idle:
            self._gpus.note_idle()

    def _next_batch(self) -> list[Ticket]:
        """Take the jobs of the next call; empty if no job waits that may be sent."""
        batch: list[Ticket] = []
        while self._tickets and not batch:
            for ticket in self._tickets.take(self.worker.batching.max_batch):
                if not self._waits_for_another(ticket) and ticket.sink.starting(ticket.job, ticket.attempt):
                    self._followers[ticket.job.id] = []
                    batch.append(ticket)
        return batch

    def _waits_for_another(self, ticket: Ticket) -> bool:
        """Whether a job must wait until a call in flight has ended; the job is queued again then.

        A job waits for one of the same id, asked by another step, since it is paid once; and its sink makes it wait
        while the budget does not suffice for both that job and the calls in flight.
        """

        def go_on() -> None:
            self._enqueue([replace(ticket, taken=False)], True)

        waiting = self._followers.get(ticket.job.id)
        if waiting is None:
            return ticket.sink.waits(ticket.job, go_on)
        waiting.append(go_on)
        return True

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._wake is not None:
            if self._wake.when() <= loop.time() + seconds:
                return
            self._wake.cancel()
        self._wake = loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._fill()

    def _ended(self, task: asyncio.Task[None]) -> None:
        batch = self._tasks.pop(task)
        self._limit.failed(self._calls.pop(task))  # no effect on a call that `_call` has reported already
        self.in_flight -= 1
        error = DataflowError(f"{self.worker} cancelled its call") if task.cancelled() else task.exception()
        if error is not None:
            for ticket in batch:
                if not ticket.abandoned:
                    ticket.sink.broken(ticket.job, error)
        for ticket in batch:
            for go_on in self._followers.pop(ticket.job.id, ()):
                go_on()
        self._limit.wake(time.monotonic())
        self._fill()

    async def _call(self, batch: list[Ticket], call: Call) -> None:
        answering = self.worker.call([ticket.job for ticket in batch])
        if not isawaitable(answering):
            raise DataflowError(f"{self.worker}.call is no coroutine: write `async def call(self, batch)`")
        answers = await answering
        self._check(answers, len(batch))
        self._report_to_limit(call, answers)
        for ticket, answer in zip(batch, answers, strict=True):
            if not ticket.abandoned:
                self._settle(ticket, answer)

    def _check(self, answers: Sequence[object], jobs: int) -> None:
        """Refuse what is no list of answers, one for each job: users write workers too."""
        if not isinstance(answers, Sequence):
            raise DataflowError(
                f"{self.worker} gave {type(answers).__name__}: give one Answer for each job of the batch"
            )
        if len(answers) != jobs:
            gave, asked = count_of(len(answers), "answer"), count_of(jobs, "job")
            raise DataflowError(f"{self.worker} gave {gave} to {asked}")
        for answer in answers:
            if not isinstance(answer, Answer):
                raise DataflowError(f"{self.worker} gave {type(answer).__name__} where an Answer belongs")

    def _report_to_limit(self, call: Call, answers: Sequence[Answer]) -> None:
        now = time.monotonic()
        failures = [answer.error for answer in answers if answer.error is not None]
        limited = [failure for failure in failures if failure.kind == "wait"]
        if limited:
            keep = min(failure.keep for failure in limited)
            self._limit.refused(call, max(failure.wait for failure in limited), now, keep)
        elif any(failure.outage for failure in failures):
            self._limit.failed(call)
        else:
            self._limit.answered(call, now)

    def _settle(self, ticket: Ticket, answer: Answer) -> None:
        failure = answer.error
        if dead := self._note_outage(ticket, failure):
            failure = dead
        elif failure is not None and failure.transient:
            if (again := self._again(ticket, failure)) is not None:
                ticket.sink.retrying(ticket.job, ticket.attempt, failure)
                delay = self.worker.retry.delay(failure, ticket.attempt, ticket.job.id)
                self._retries += 1
                asyncio.get_running_loop().call_later(delay, self._retry, again)
                return
            self._breaker.given_up(ticket.job.id)
            if failure.refuse_after:
                failure = failure.last_word("refused")
        if failure is not None:
            answer = replace(answer, error=replace(failure, attempts=ticket.attempt + 1))
        ticket.sink.answered(ticket.job, ticket.attempt, answer)

    def _again(self, ticket: Ticket, failure: Failure) -> Ticket | None:
        """Make the ticket of the next attempt; None if there is to be no other."""
        if failure.outage and self._breaker.open and not failure.maybe_paid:
            # The address is down, which is not the job's fault: the attempt does not count.
            return Ticket(ticket.job, ticket.sink, ticket.key, ticket.attempt, ticket.kinds)
        kind = (failure.retries, failure.refuse_after)
        if not self.worker.retry.allows(failure, ticket.attempt, ticket.kinds.count(kind)):
            return None
        key = object() if failure.suspect else ticket.key  # a key of its own, so that no other job shares its batch
        return Ticket(ticket.job, ticket.sink, key, ticket.attempt + 1, (*ticket.kinds, kind))

    def _note_outage(self, ticket: Ticket, failure: Failure | None) -> Failure | None:
        """Tell the breaker how a call ended; return a fatal failure if the address has been down for too long."""
        if failure is None or not failure.outage:
            if self._breaker.answered(ticket.job.id):
                if failure is None or failure.kind != "fatal":
                    log.warning("%s answers again", self.worker)
                self._down = ""
            return None
        if self._breaker.failed(ticket.job.id):
            trouble = f"does not answer, trying every {self.worker.retry.probe:g} s"
            self._down = f"{trouble}: {self.worker}"  # the name is last, since a narrow terminal cuts off the end
            log.warning("%s %s: %s", self.worker, trouble, failure)
        if not self._breaker.dead:
            return None
        reason = (
            f"{self.worker} has answered nothing for {self.worker.retry.dead / 60:g} minutes ({failure.reason}): "
            "run again when it is back; what was answered is kept"
        )
        return failure.last_word("fatal", reason)

    def _retry(self, ticket: Ticket) -> None:
        self._retries -= 1
        self._enqueue([ticket], True)

    def _cancel(self, sink: Sink) -> None:
        for task, batch in self._tasks.items():
            for ticket in batch:
                ticket.abandoned = ticket.abandoned or ticket.sink is sink
            if all(ticket.abandoned for ticket in batch):
                task.cancel()
