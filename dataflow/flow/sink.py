"""The sink of a step's jobs: every answer goes into the journal first, and then to the thread of the runner.

A pool calls the sink on the thread of the event loop. A journal that cannot be written stops the run: its lines wait in
memory and are written again, since the answers in them are paid.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dataflow.core.key_table import KeyTable, key_of
from dataflow.core.records import Answer, Charge, Job
from dataflow.core.run_options import AtLimit
from dataflow.errors import Failure, NotStored
from dataflow.flow.arrivals import Arrivals
from dataflow.flow.counts import Counts
from dataflow.flow.disk_room import Space
from dataflow.journal.index import FAILED
from dataflow.journal.journal import Journal
from dataflow.money.ledger import Ledger
from dataflow.money.usage import read_used
from dataflow.pools.retry_warnings import RetryWarnings
from dataflow.utils.disk_retry import may_pass, not_stored, warn_of_held


class StepSink:
    """Journals what becomes of a step's jobs and passes each answer on to the runner's thread.

    Args:
        journal: of the step's cache directory.
        counts: the figures of this run, which the sink adds to.
        space: says whether the disks have room for another answer.
        ledger: says whether `max_cost` has room for another request, and prices each attempt.
        at_limit: what happens to a request that `max_cost` has no room for, as `RunOptions` says.

    Attributes:
        stopped: no attempt may start any more.
        fatal: the first failure that says that no request of this run can succeed.
        stopped_by: the first error that stopped the run and is no answer of a server, such as a full disk.
        arrived: answers on their way to the runner's thread.
    """

    def __init__(
        self, journal: Journal, counts: Counts, space: Space, ledger: Ledger, *, at_limit: AtLimit = "stop"
    ) -> None:
        self.stopped = False
        self.fatal: Failure | None = None
        self.stopped_by: BaseException | None = None
        self.arrived = Arrivals()
        self._warnings = RetryWarnings()
        self._journal = journal
        self._counts = counts
        self._space = space
        self._ledger = ledger
        self._at_limit = at_limit
        self._unpaid = KeyTable()  # ids of jobs that `max_cost` left no room for
        self._failed = KeyTable()  # ids; not read from the journal, where a step at the same time may answer the same
        # Writers of lines that the disk did not take, in order, and whether such a line is the only copy of its answer.
        self._held: list[tuple[Callable[[], None], bool]] = []
        self._writing = threading.Lock()
        self._lost_by_workers = 0
        self._in_flight: dict[str, int] = {}  # id → what its attempt may cost at most, in billionths
        self._began_at = journal.size

    def starting(self, job: Job, attempt: int) -> bool:
        """Whether an attempt at a job may be sent, once its `start` line is in the journal.

        Args:
            job: the job.
            attempt: attempts before this one.
        """
        if self.stopped or (self._journal.shared and self._answered_elsewhere(job)):
            return False
        if why := self._space.refuses(job, len(self._in_flight)):
            self.stop(NotStored(why))
            return False
        if self._ledger.refuses(job):
            if self._at_limit == "stop":
                self.stop(self._ledger.reached(job))
            else:
                self._leave_out(job)
            return False
        most, resumes = self._ledger.most(job), self._ledger.resumes(job)
        try:
            self._journal.start(job.id, attempt, most, resumes=resumes)
        except OSError as error:
            self.stop(not_stored(error))
            return False
        self._in_flight[job.id] = most
        if most:
            self._ledger.started(most)
        self._counts.in_flight = len(self._in_flight)
        self._counts.requests += 1
        # The attempt that is resumed was counted among those that were cut off.
        self._counts.maybe_paid = max(0, self._counts.maybe_paid - resumes)
        return True

    def _leave_out(self, job: Job) -> None:
        """Fail a job that `max_cost` has no room for. No line is journalled, so a run with a higher limit asks it."""
        self._counts.unpaid += 1
        self._unpaid.put(key_of(job.id))
        self.arrived.put(job.id, Answer(error=Failure("failed", self._ledger.no_room)))

    def unpaid(self, job: Job) -> Answer | None:
        """The failure of a job that `max_cost` left no room for in this run; None for every other job."""
        if self._unpaid.get(key_of(job.id)) is None:
            return None
        return Answer(error=Failure("failed", self._ledger.no_room))

    def has_failed(self, job: Job) -> bool:
        """Whether this run asked for a job and the last attempt failed."""
        return self._failed.get(key_of(job.id)) is not None

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Whether a job must wait for money: `max_cost` has room for it only once an attempt in flight costs less.

        Args:
            job: the job.
            go_on: called when an attempt has ended and the job may be tried again.
        """
        return not self.stopped and self._ledger.waits(job, go_on)

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        """Journal a failed attempt after which the pool makes another one."""
        self._counts.retried += 1
        self._counts.retry_reason = failure.reason
        self._counts.maybe_paid += failure.maybe_paid
        charge = self._charge(job, Answer(error=failure))
        self._write(partial(self._journal.fail, job.id, attempt, failure, again=True, charge=charge))
        self._ended(job)
        self._warnings.report(failure)

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        """Journal the answer of a job's last attempt and pass it on; a fatal failure stops the step."""
        failure = answer.error
        charge = self._charge(job, answer)
        if failure is None:
            self._counts.pictures += len(answer.pictures)
            self._counts.answered_by.arrived(job.request.worker, answer)
            self._space.saw(answer)
            # The next run adopts a picture that has no line in the journal; a text without a line is lost.
            line = partial(self._journal.got, job.id, attempt, answer, charge)
            self._write(line, only_copy=not answer.pictures)
        else:
            self._counts.maybe_paid += failure.maybe_paid
            self._counts.requests -= failure.unsent
            self._write(partial(self._journal.fail, job.id, attempt, failure, again=False, charge=charge))
            self._failed.put(key_of(job.id))
            if failure.kind == "fatal":
                self.fatal = self.fatal or failure
                self.stopped = True
            answer = Answer(error=failure)  # exactly what a replay reads from the journal
        self._ended(job)
        self.arrived.put(job.id, answer if charge is None else replace(answer, cost=charge.cost))

    def broken(self, job: Job, error: BaseException) -> None:
        """Stop the run with an error that a worker raised; the runner raises it."""
        self._lost_by_workers += isinstance(error, NotStored)
        self.stop(error)
        self._ended(job)

    @property
    def lost(self) -> int:
        """How many finished answers are not on disk and would be asked again by the next run."""
        return self._lost_by_workers + sum(only_copy for _, only_copy in self._held)

    def retry_held(self) -> bool:
        """Write the lines again that the disk did not take.

        Returns:
            Whether lines still wait and writing them again may succeed.
        """
        with self._writing:
            while self._held:
                try:
                    self._held[0][0]()
                except OSError as error:
                    return may_pass(error)
                del self._held[0]
        return False

    def _answered_elsewhere(self, job: Job) -> bool:
        """Pass on the answer that another step of this process journalled since this step looked the job up, if any."""
        (place,) = self._journal.places([job.id])
        if place is None or place.offset < self._began_at or place.kind == FAILED:
            return False
        answer = self._journal.read(place, job.id)
        if answer is None:
            return False
        self.arrived.put(job.id, answer)
        self._counts.reused += 1
        return True

    def _charge(self, job: Job, answer: Answer) -> Charge | None:
        """Price an attempt and add its cost and tokens to the counts; None where nobody charges."""
        charge = self._ledger.charge(job, answer)
        if charge is not None:
            counts = self._counts
            used = read_used(answer.usage if answer.error is None else answer.error.usage or answer.usage)
            counts.input_tokens += used.input
            counts.output_tokens += used.output
            counts.cost += charge.cost or 0
            counts.costs[job.request.worker] += charge.cost or 0
            counts.untold += charge.cost is None
        return charge

    def _ended(self, job: Job) -> None:
        """Release the money that an attempt reserved. Called last: it may start a job that waits for money."""
        most = self._in_flight.pop(job.id, 0)
        self._counts.in_flight = len(self._in_flight)
        if most:
            self._ledger.ended(most)

    def stop(self, error: BaseException) -> None:
        """Let no attempt start any more; the run ends with the first error it was stopped by."""
        self.stopped_by = self.stopped_by or error
        self.stopped = True
        self.arrived.wake()

    def _write(self, line: Callable[[], None], *, only_copy: bool = False) -> None:
        """Write a line of the journal. If the disk does not take the line, stop the run and hold the line in memory.

        Lines are held in order: while one waits, those that follow wait behind it.

        Args:
            line: writes the line.
            only_copy: whether the answer is lost if this line is.
        """
        with self._writing:
            try:
                if not self._held:
                    line()
                    return
            except OSError as error:
                warn_of_held(error)
                self.stop(not_stored(error))
            self._held.append((line, only_copy))
