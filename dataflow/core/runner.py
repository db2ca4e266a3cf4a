"""`run_step`: the one loop that takes a step from its source to its file.

One pass over the source with two cursors. The planner begins rows and asks what the journal does not
know, while at most `lookahead` rows are unanswered. The writer follows in input order: what the planner
finished in order is written at once, the rest is replayed from the journal when its turn comes, so
memory does not grow with the rows that wait behind a slow one.
"""

import logging
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow.core.executor import DEFAULT_EXECUTOR, LocalExecutor, Pool
from dataflow.core.loop import submit
from dataflow.core.preflight import changed, check_source, source_state
from dataflow.core.progress import Counts, Progress, Summary
from dataflow.core.records import JSON, Answer, Job
from dataflow.core.replay import Recipe, Replay, Walk
from dataflow.core.sink import StepSink, describe_failure
from dataflow.core.twins import Twins
from dataflow.errors import ConfigError, Interrupted, StepFailed
from dataflow.utils.journal import Journal
from dataflow.utils.storage import FileStorage, Step, StepWriter

log = logging.getLogger(__name__)

_CHUNK = 256  # rows begun or written between two looks at what has come in
_REASONS = 1000  # different ones that are told apart: each may name its own file
_DRAIN_SECONDS = 120.0  # what is in flight is paid: it gets this long to arrive after a stop


def run_step(
    recipe: Recipe,
    storage: FileStorage | Step,
    *,
    executor: LocalExecutor = DEFAULT_EXECUTOR,
    lookahead: int = 10_000,
) -> Summary:
    """Run one step to its end, asking only what no earlier run was answered.

    Raises:
        ConfigError: settings, input file or columns are wrong; nothing was spent.
        FatalAnswer: no request can succeed; what was answered is kept.
        StepFailed: every row failed.
        Interrupted: SIGINT or SIGTERM; what was answered is kept.
    """
    step = storage.current if isinstance(storage, FileStorage) else storage
    source = source_state(step.source)
    total = check_source(step, recipe)
    began = time.monotonic()
    counts = Counts()
    with Journal.opened(Path(step.cache_path).expanduser()) as journal, step.writer() as writer:
        journal.save_interval = recipe.save_interval
        run = _Run(recipe, step, journal, writer, counts, executor, lookahead)
        with Progress(f"step {step.number} {recipe.name}", total, counts) as progress, _signals(run):
            run.to_the_end(progress)
        if source_state(step.source) != source:
            raise changed(str(step.source))
        summary = Summary(
            step=step.number,
            target=str(step.target),
            rows=counts.rows,
            failed=counts.failed,
            reasons=dict(counts.reasons),
            requests=counts.sent,
            reused=counts.reused,
            adopted=counts.adopted,
            lost=counts.lost,
            maybe_paid=journal.maybe_paid,
            seconds=time.monotonic() - began,
            pictures=counts.pictures,
        )
        journal.sync()
        writer.commit(_meta(recipe, counts))
    if total and run.every_row_failed:
        raise StepFailed(f"every row of step {step.number} failed, see {step.errors}. {summary}")
    return summary


def _meta(recipe: Recipe, counts: Counts) -> dict[str, JSON]:
    """What stands beside a finished step: what it came to, and who answered."""
    workers: dict[str, JSON] = {}
    for name, worker in recipe.workers.items():
        known: dict[str, JSON] = {"fingerprint": dict(worker.fingerprint())}
        if worker.licence:
            known["licence"] = worker.licence
        workers[name] = known
    return {"rows": counts.rows, "failed": counts.failed, "operator": recipe.name, "workers": workers}


class _Run:
    """One pass of one step. Its methods run in the caller's thread."""

    def __init__(
        self,
        recipe: Recipe,
        step: Step,
        journal: Journal,
        writer: StepWriter,
        counts: Counts,
        executor: LocalExecutor,
        lookahead: int,
    ) -> None:
        self._replay = Replay(recipe, step, journal, counts)
        self._recipe = recipe
        self._step = step
        self._writer = writer
        self._counts = counts
        self._executor = executor
        self._lookahead = lookahead
        self._sink = StepSink(journal, counts)
        self._source, self._behind = step.cursor(), step.cursor()
        self._planned_all = False
        self._written = 0  # source rows written
        self._pending: dict[int, Walk] = {}
        self._asked: dict[str, list[Walk]] = {}  # two rows may need the same answer
        self._counting = Twins()
        self._twins: dict[int, int] = {}  # of rows begun and not yet written, where not 0
        self._pools: dict[str, Pool] = {}
        self._signals: list[int] = []

    @property
    def every_row_failed(self) -> bool:
        """Whether rows came in and none of them has a result."""
        return 0 < self._written == self._counts.failed

    def to_the_end(self, progress: Progress) -> None:
        """Plan, ask and write until every row is written.

        Raises:
            FatalAnswer, Interrupted: as `run_step` says.
        """
        try:
            while not (self._planned_all and self._written == self._source.position):
                moved = self._plan() + self._write_behind()
                self._take_answers(wait=not moved and bool(self._pending))
                progress.tick()
                if self._sink.stopped:
                    break
        finally:
            self._sink.stopped = True
            self._drain(progress)
        self._raise_stop()

    def _raise_stop(self) -> None:
        sink = self._sink
        if sink.fatal is not None:
            raise sink.fatal
        if isinstance(sink.failure, OSError):
            raise ConfigError(f"cannot write: {sink.failure}. What was journalled is kept") from sink.failure
        if sink.failure is not None:
            raise sink.failure
        if self._signals:
            raise Interrupted(
                f"stopped by {signal.Signals(self._signals[0]).name} with {self._written:,} rows written; everything"
                f" answered is kept, run the same command again to go on",
                signal_number=self._signals[0],
            )

    def _plan(self) -> int:
        """Begin the next rows; returns how many."""
        room = min(_CHUNK, self._lookahead - len(self._pending))
        if self._planned_all or room <= 0:
            return 0
        index = self._source.position
        rows = self._source.take(room)
        if not rows:
            self._planned_all = True
            return 0
        walks = [self._replay.begin(at, line, row) for at, (line, row) in enumerate(rows, index)]
        self._replay.advance(walks, self._counting.earlier, ask=True)
        for walk in walks:
            if walk.twin:
                self._twins[walk.index] = walk.twin
            if walk.rows is None:
                self._pending[walk.index] = walk
            elif walk.index == self._written:
                self._write(walk)
        self._ask([walk for walk in walks if walk.missing], begun=False)
        return len(walks)

    def _ask(self, walks: Sequence[Walk], *, begun: bool) -> None:
        jobs: dict[str, list[Job]] = {}
        for walk in walks:
            for job in {job.id: job for job in walk.jobs if job.id in walk.missing}.values():
                waiting = self._asked.setdefault(job.id, [])
                if not waiting:
                    jobs.setdefault(job.request.worker, []).append(job)
                waiting.append(walk)
        if jobs and not self._pools:  # a judge without a key must not show only after the first edits
            self._pools = {name: self._executor.pool(worker) for name, worker in self._recipe.workers.items()}
        for name, wanted in jobs.items():
            self._pools[name].submit(wanted, self._sink, begun=begun)

    def _take_answers(self, *, wait: bool) -> None:
        """Go on with the rows whose answers have come in."""
        begun = []
        try:
            arrived = self._sink.arrived.get(timeout=0.2) if wait else self._sink.arrived.get_nowait()
            while arrived is not None:
                begun += [walk for walk in self._asked.pop(arrived[0], ()) if self._answered(walk, *arrived)]
                arrived = self._sink.arrived.get_nowait()
        except queue.Empty:
            pass
        if begun:
            self._ask(begun, begun=True)

    def _answered(self, walk: Walk, request_id: str, answer: Answer) -> bool:
        """One answer of a walk; whether the walk has something new to ask."""
        walk.known[request_id] = answer
        walk.missing.discard(request_id)
        if walk.missing:
            return False
        self._replay.feed(walk)
        if walk.wave:
            self._replay.advance([walk], self._counting.earlier, ask=True)
        if walk.rows is not None:
            del self._pending[walk.index]
        return bool(walk.missing)

    def _write_behind(self) -> int:
        """Replay and write rows whose turn has come; returns how many."""
        first_open = next(iter(self._pending), self._source.position)
        count = min(_CHUNK, first_open - self._written)
        if count <= 0:
            return 0
        self._behind.skip_to(self._written)
        rows = self._behind.take(count)
        if len(rows) < count:
            raise changed(str(self._step.source))
        walks = [self._replay.begin(at, line, row) for at, (line, row) in enumerate(rows, self._written)]
        for walk in walks:
            walk.twin = self._twins.get(walk.index, 0)
        self._replay.advance(walks, self._counting.earlier, ask=False)
        for walk in walks:
            if walk.rows is None:
                raise changed(f"{self._step.source}:{walk.line}: the row or one of its pictures")
            self._write(walk)
        return len(walks)

    def _write(self, walk: Walk) -> None:
        assert walk.rows is not None
        for row in walk.rows:
            self._writer.write(row)
        self._written += 1
        self._twins.pop(walk.index, None)
        self._counts.rows += len(walk.rows)
        if walk.error is not None:
            self._counts.failed += 1
            reason = str(walk.error)
            known = reason in self._counts.reasons or len(self._counts.reasons) < _REASONS
            self._counts.reasons[reason if known else "other reasons"] += 1
            self._writer.side("errors", describe_failure(self._step.source, walk, self._recipe.inputs))

    def _drain(self, progress: Progress) -> None:
        """Wait for what is in flight; a second signal or the deadline cuts it off."""
        submit(_nothing()).result()  # the loop has seen `stopped`: nothing starts from here on
        deadline = time.monotonic() + _DRAIN_SECONDS
        if self._signals and self._counts.in_flight:
            log.warning("waiting for %d requests in flight; interrupt again to cut them off", self._counts.in_flight)
        while self._counts.in_flight and time.monotonic() < deadline and len(self._signals) < 2:
            with suppress(queue.Empty):
                self._sink.arrived.get(timeout=0.1)
            progress.tick()
        if self._counts.in_flight:
            log.warning("%d requests cut off; they may have been paid", self._counts.in_flight)
            for pool in self._pools.values():
                pool.cancel(self._sink)
            submit(_nothing()).result()

    def interrupt(self, number: int) -> None:
        """A signal came: stop starting; at the second, stop waiting."""
        self._signals.append(number)
        self._sink.stopped = True


async def _nothing() -> None:
    pass


@contextmanager
def _signals(run: _Run) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run cleanly, where Python lets us listen: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: run.interrupt(number)) for number in caught]
    try:
        yield
    finally:
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, handler)
