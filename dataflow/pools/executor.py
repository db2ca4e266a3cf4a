"""Executors: they own the pools of all workers. And `call_directly`, which asks a worker outside any step."""

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

from dataflow.core.arguments import checked
from dataflow.core.loop import submit
from dataflow.core.notebook import stop_key
from dataflow.core.process_exit import ends_in_one_line, leave_soon
from dataflow.core.records import Answer, Job, Request, digest_fingerprint, digest_request, salt_twin
from dataflow.core.words import count_of, duration
from dataflow.core.worker import Placement, Worker
from dataflow.errors import ConfigError, Failure, FatalAnswer, Interrupted, RowError
from dataflow.pools.gpus import Gpus
from dataflow.pools.machine import Machine
from dataflow.pools.pool import Followers, Pool
from dataflow.pools.processes.worker import place
from dataflow.pools.retry_warnings import RetryWarnings
from dataflow.utils.files import sha256_hex

EXECUTORS = {  # module and class, imported when `DF_EXECUTOR` names them
    "local": "dataflow.pools.executor:LocalExecutor",
    "ray": "dataflow.executors.ray:RayExecutor",
}
_LAST_SECONDS = 120.0  # for which requests in flight are waited for after a fatal answer or Ctrl-C
log = logging.getLogger(__name__)


class LocalExecutor:
    """The pools of this process and of its child processes. Pools outlive steps, and end with the process.

    Args:
        gpus: GPUs that all pools may hold together; None: as many as this process may see.
    """

    def __init__(self, *, gpus: int | None = None) -> None:
        self._pools: dict[Worker, Pool] = {}
        self._gpus = Gpus(gpus)
        self._followers: Followers = {}
        self._lock = threading.Lock()

    def pool(self, worker: Worker) -> Pool:
        """Give the pool of a worker: `prepare` and `place` run the first time, `setup` when the first job arrives.

        Raises:
            ConfigError: the worker's settings are wrong, or it needs more GPUs than there are.
        """
        with self._lock:
            if worker not in self._pools:
                worker.prepare()
                placed = self.place(worker)
                if not self._pools:
                    atexit.register(self._close_at_exit)
                self._pools[worker] = Pool(placed, self._gpus, self._followers)
            return self._pools[worker]

    def place(self, worker: Worker) -> Worker:
        """Give the worker that the pool asks: the worker itself, or one that passes its calls to other processes.

        Raises:
            ConfigError: the worker needs more GPUs than there are.
        """
        worker.settle()
        self._gpus.check(worker)
        return place(worker)

    def machine(self, worker: Worker) -> Machine | None:
        """Describe the machines of a cluster on which the worker will run; None: it runs on this machine."""
        return None

    def placement_of(self, worker: Worker) -> Placement:
        """Say where the pool of a worker runs, as far as is known: `Placement()` before there is a pool."""
        pool = self._pools.get(worker)
        return Placement() if pool is None else pool.worker.placement

    def has_gpus(self, count: int) -> bool:
        """Say whether pools may hold so many GPUs at once."""
        return not count or self._gpus.has(count)

    def close(self) -> None:
        """Close every pool; a later job opens its pool again."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            submit(pool.close()).result(timeout=10)

    def _close_at_exit(self) -> None:
        """Close the pools; Ctrl-C ends that wait, and the process: all rows are written by now."""
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
    """Give the executor that `DF_EXECUTOR` names; it is made when it is first used.

    Raises:
        ConfigError: no executor has that name, or a package that it needs is not installed.
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
    """Close the pools of the executors that `default_executor` has made."""
    for executor in list(_defaults.values()):
        executor.close()


class _Collector:
    """The sink of `call_directly`, which keeps answers in memory.

    Args:
        waiting: ids of the jobs that are not answered yet.

    Attributes:
        answers: by the id of their job.
        fatal: the first failure after which no request can succeed.
        bug: what the worker raised.
        stopping: set once no more jobs are to be sent.
        done: set once nothing is waited for any more.
        in_flight: attempts that have not ended.
    """

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
        self._warnings.report(failure)
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
        """Note the end of an attempt; also after a fatal answer the calls in flight are waited for: they are paid."""
        self.in_flight -= 1
        if not self._waiting or (self.stopping.is_set() and not self.in_flight):
            self.done.set()
            self.stopping.set()


@ends_in_one_line()
@checked
def call_directly(
    worker: Worker, requests: Sequence[Request], *, executor: LocalExecutor | None = None
) -> list[Answer]:
    """Ask a worker outside any step: with retries and the worker's limits, but without a journal.

    Args:
        worker: answers the requests.
        requests: any number of them.
        executor: owns the worker's pool; None: the executor that `DF_EXECUTOR` names.

    Returns:
        An answer for each request, in the same order; an answer that failed carries its failure.

    Raises:
        ConfigError: the worker's settings are wrong.
        RowError: a picture of a request cannot be read, or a text of it ends in half a character.
        FatalAnswer: no request can succeed; no more were sent, and the error's `texts` have the answers so far.
        Interrupted: Ctrl-C; no more requests were sent, and the error's `texts` have the answers, those of requests
            that were in flight included.
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
        _await_in_flight(pool, sink)
        raise _interrupted([sink.answers.get(job.id) for job in jobs]) from None
    if sink.bug is not None:
        raise sink.bug
    if sink.fatal is not None:
        raise FatalAnswer(sink.fatal, [_text_of(sink.answers.get(job.id)) for job in jobs])
    return [sink.answers[job.id] for job in jobs]


def _await_in_flight(pool: Pool, sink: _Collector) -> None:
    """Send no more after Ctrl-C, and wait for the calls in flight: they are paid. Another Ctrl-C cuts them off."""
    pressed_again = False
    try:
        sink.stopping.set()
        pool.let_go()
        submit(_nothing()).result()  # the loop has run once since `stopping` was set, so nothing starts from now on
        if sink.in_flight:
            words = count_of(sink.in_flight, "request"), duration(_LAST_SECONDS), stop_key()
            log.warning("waiting for %s in flight, %s at most; %s again cuts them off", *words)
            sink.done.wait(_LAST_SECONDS)
    except KeyboardInterrupt:
        pressed_again = True
    if sink.in_flight:
        pool.cancel(sink)
    leave_soon(128 + signal.SIGINT, at_once=pressed_again)


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
