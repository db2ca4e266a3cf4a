"""Executors: who owns the pools, and asking outside any step."""

import atexit
import importlib
import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dataflow.core.leaving import ends_in_one_line, leave_soon
from dataflow.core.loop import submit
from dataflow.core.notebook import stop_key
from dataflow.core.records import Answer, Job, Request, digest_fingerprint, digest_request, salt_twin
from dataflow.core.words import count_of, duration
from dataflow.core.worker import Placement, Worker
from dataflow.errors import ConfigError, Failure, FatalAnswer, Interrupted, RowError
from dataflow.pools.gpus import Gpus
from dataflow.pools.machine import Machine
from dataflow.pools.pool import Asking, Pool
from dataflow.pools.processes.worker import place
from dataflow.pools.retry_warnings import RetryWarnings
from dataflow.utils.files import sha256_hex

EXECUTORS = {  # imported when one is chosen
    "local": "dataflow.pools.executor:LocalExecutor",
    "ray": "dataflow.executors.ray:RayExecutor",
}
_LAST_SECONDS = 120.0  # in which requests in flight may end after a fatal answer
log = logging.getLogger(__name__)


class LocalExecutor:
    """Pools of this process and its children; they outlive the steps that opened them and end with the process.

    Args:
        gpus: how many pools may hold together; None: as many as this process may see.
    """

    def __init__(self, *, gpus: int | None = None) -> None:
        self._pools: dict[Worker, Pool] = {}
        self._gpus = Gpus(gpus)
        self._asking: Asking = {}
        self._lock = threading.Lock()

    def pool(self, worker: Worker) -> Pool:
        """The worker's pool: `prepare` and `place` run here the first time, `setup` when the first job arrives.

        Raises:
            ConfigError: the worker's settings are wrong, or it needs more GPUs than there are.
        """
        with self._lock:
            if worker not in self._pools:
                worker.prepare()
                placed = self.place(worker)
                if not self._pools:
                    atexit.register(self._close_at_exit)
                self._pools[worker] = Pool(placed, self._gpus, self._asking)
            return self._pools[worker]

    def place(self, worker: Worker) -> Worker:
        """The worker that its pool asks: itself, or one that has others do the work.

        Raises:
            ConfigError: as `pool`.
        """
        worker.settle()
        self._gpus.check(worker)
        return place(worker)

    def machine(self, worker: Worker) -> Machine | None:
        """What the machines of a cluster can do on which the worker will run; None: it runs on this one."""
        return None

    def placement_of(self, worker: Worker) -> Placement:
        """Where its pool runs, which is known once there is one."""
        pool = self._pools.get(worker)
        return Placement() if pool is None else pool.worker.placement

    def has_gpus(self, count: int) -> bool:
        """Whether pools may hold so many GPUs at once."""
        return not count or self._gpus.has(count)

    def close(self) -> None:
        """Close every pool; a later request opens them again."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            submit(pool.close()).result(timeout=10)

    def _close_at_exit(self) -> None:
        """Ctrl-C ends the wait and the process: all is written by then, and only models are put away."""
        try:
            self.close()
        except KeyboardInterrupt:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(128 + signal.SIGINT)


_defaults: dict[str, LocalExecutor] = {}
_choosing = threading.Lock()


def default_executor() -> LocalExecutor:
    """The executor that `DF_EXECUTOR` names, made when it is first used.

    Raises:
        ConfigError: there is none of that name, or what it needs is not installed.
    """
    name = os.environ.get("DF_EXECUTOR") or "local"
    if name not in EXECUTORS:
        raise ConfigError(f"DF_EXECUTOR={name}: there is no such executor. Set it to {' or '.join(EXECUTORS)}")
    with _choosing:
        if name not in _defaults:
            module, _, kind = EXECUTORS[name].partition(":")
            _defaults[name] = getattr(importlib.import_module(module), kind)()
        return _defaults[name]


def close_pools() -> None:
    """Close every pool that no executor of the caller's own has."""
    for executor in list(_defaults.values()):
        executor.close()


class _Collector:
    """The sink of requests that belong to no step: keeps the answers in memory."""

    def __init__(self, waiting: set[str]) -> None:
        self._waiting = waiting
        self.answers: dict[str, Answer] = {}
        self.fatal: Failure | None = None
        self.bug: BaseException | None = None
        self.done = threading.Event()
        self.stopping = threading.Event()
        self.in_flight = 0
        self._warnings = RetryWarnings()

    def starting(self, job: Job, attempt: int) -> bool:
        starts = not self.stopping.is_set()
        self.in_flight += starts
        return starts

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        return False

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        self._warnings.tell(failure)
        self._ended()

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        self.answers[job.id] = answer
        self._waiting.discard(job.id)
        if answer.error is not None and answer.error.kind == "fatal":
            self.fatal = self.fatal or answer.error
            self.stopping.set()
        self._ended()

    def broken(self, job: Job, error: BaseException) -> None:
        self.bug = error
        self.done.set()
        self.stopping.set()

    def _ended(self) -> None:
        """An attempt is over; after a fatal answer those in flight are still waited for, since they are paid."""
        self.in_flight -= 1
        if not self._waiting or (self.stopping.is_set() and not self.in_flight):
            self.done.set()
            self.stopping.set()


@ends_in_one_line()
def call_directly(
    worker: Worker, requests: Sequence[Request], *, executor: LocalExecutor | None = None
) -> list[Answer]:
    """Ask outside any step: with retries and the worker's limits, without a journal.

    Args:
        worker: who answers.
        requests: n of them.
        executor: has the pools; None: as `DF_EXECUTOR` says.

    Raises:
        ConfigError: the worker's settings are wrong.
        RowError: a picture of a request cannot be read, or its text ends in half a character.
        FatalAnswer: no request can succeed; nothing more was sent, and its `texts` have what was answered.
        Interrupted: Ctrl-C; nothing more was sent, what was in flight was waited for, and its `texts` have the answers.
    """
    if not requests:
        return []
    jobs = _identify(worker, requests)
    sink = _Collector({job.id for job in jobs})
    pool = (executor or default_executor()).pool(worker)
    try:
        pool.submit(jobs, sink, begun=True)
        sink.stopping.wait()
        sink.done.wait(_LAST_SECONDS)
    except KeyboardInterrupt:
        _let_arrive(pool, sink)
        raise _interrupted([sink.answers.get(job.id) for job in jobs]) from None
    if sink.bug is not None:
        raise sink.bug
    if sink.fatal is not None:
        raise FatalAnswer(sink.fatal, [_text_of(sink.answers.get(job.id)) for job in jobs])
    return [sink.answers[job.id] for job in jobs]


def _let_arrive(pool: Pool, sink: _Collector) -> None:
    """After Ctrl-C send nothing more, and wait for what is in flight, since it is paid; a second one cuts it off."""
    in_a_hurry = False
    try:
        sink.stopping.set()
        pool.let_go()
        submit(_nothing()).result()  # the loop has seen that it stops: nothing starts from now on
        if sink.in_flight:
            words = count_of(sink.in_flight, "request"), duration(_LAST_SECONDS), stop_key()
            log.warning("waiting for %s in flight, %s at most; %s again cuts them off", *words)
            sink.done.wait(_LAST_SECONDS)
    except KeyboardInterrupt:
        in_a_hurry = True
    if sink.in_flight:
        pool.cancel(sink)
    leave_soon(128 + signal.SIGINT, at_once=in_a_hurry)


def _interrupted(answers: Sequence[Answer | None]) -> Interrupted:
    texts = [_text_of(answer) for answer in answers]
    pictures = [picture.path for answer in answers if answer is not None for picture in answer.pictures]
    good = len(texts) - texts.count(None)
    said = f"stopped by {stop_key()}: {good:,} of {count_of(len(texts), 'prompt')} answered: see `texts` of this error"
    return Interrupted(", ".join([said, *pictures]), signal_number=signal.SIGINT, texts=texts)


async def _nothing() -> None:
    pass


def _text_of(answer: Answer | None) -> str | None:
    return None if answer is None or answer.error is not None else answer.text


def _identify(worker: Worker, requests: Sequence[Request]) -> list[Job]:
    fingerprint = digest_fingerprint(worker.fingerprint())
    seen: Counter[bytes] = Counter()
    jobs = []
    for request in requests:
        try:
            digests = {path: sha256_hex(Path(path).read_bytes()) for path in request.all_files()}
        except OSError as error:
            raise RowError(f"cannot read picture {error.filename}: {error.strerror}") from error
        digest = digest_request(request, fingerprint, digests)
        jobs.append(Job(salt_twin(digest, seen[digest]), request))
        seen[digest] += 1
    return jobs
