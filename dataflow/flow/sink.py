"""Where a step's answers go: into the journal first, then to the runner's thread.

A pool calls it on the event loop's thread; a journal that cannot be written stops the run.
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
from dataflow.utils.held import may_pass, not_stored, tell_held


class StepSink:
    """Journals what becomes of a step's jobs and passes it on to the runner's thread."""

    def __init__(
        self, journal: Journal, counts: Counts, space: Space, ledger: Ledger, *, at_limit: AtLimit = "stop"
    ) -> None:
        self.stopped = False
        self.fatal: Failure | None = None  # the first: no request of this run can succeed
        self.stopped_by: BaseException | None = None  # the first error that is no answer
        self.arrived = Arrivals()
        self._warnings = RetryWarnings()
        self._journal = journal
        self._counts = counts
        self._space = space
        self._ledger = ledger
        self._at_limit = at_limit
        self._left_out = KeyTable()
        self._failed = KeyTable()  # a step at the same time may fail or answer the same
        self._held: list[tuple[Callable[[], None], bool]] = []  # lines that the disk did not take
        self._writing = threading.Lock()
        self._broken = 0
        self._in_flight: dict[str, int] = {}  # what each may cost at most
        self._began_at = journal.size

    def starting(self, job: Job, attempt: int) -> bool:
        """Journal the start; what cannot be journalled is not sent."""
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
        self._counts.maybe_paid = max(0, self._counts.maybe_paid - resumes)  # it was counted as cut off
        return True

    def _leave_out(self, job: Job) -> None:
        """Fail a job that cannot be paid; the journal has nothing of it, since nothing was asked."""
        self._counts.unpaid += 1
        self._left_out.put(key_of(job.id))
        self.arrived.put(job.id, Answer(error=Failure("failed", self._ledger.no_room)))

    def left_out(self, job: Job) -> Answer | None:
        """The failure of a job that could not be paid in this run."""
        if self._left_out.get(key_of(job.id)) is None:
            return None
        return Answer(error=Failure("failed", self._ledger.no_room))

    def has_failed(self, job: Job) -> bool:
        """Whether this run has asked for a job in vain."""
        return self._failed.get(key_of(job.id)) is not None

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Whether the limit on what may be spent leaves no room beside what is in flight."""
        return not self.stopped and self._ledger.waits(job, go_on)

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        """Journal a failed attempt that another follows."""
        self._counts.retried += 1
        self._counts.retry_reason = failure.reason
        self._counts.maybe_paid += failure.maybe_paid
        charge = self._charge(job, Answer(error=failure))
        self._write(partial(self._journal.fail, job.id, attempt, failure, again=True, charge=charge))
        self._ended(job)
        self._warnings.tell(failure)

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        """Journal the last word and hand it on; a fatal one stops the step."""
        failure = answer.error
        charge = self._charge(job, answer)
        if failure is None:
            self._counts.pictures += len(answer.pictures)
            self._counts.answered_by.arrived(job.request.worker, answer)
            self._space.saw(answer)
            # A picture without its line is adopted by the next run; words without theirs are gone.
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
            answer = Answer(error=failure)  # what the journal will say: the row's generator may be run again from there
        self._ended(job)
        self.arrived.put(job.id, answer if charge is None else replace(answer, cost=charge.cost))

    def broken(self, job: Job, error: BaseException) -> None:
        """The worker failed: stop, and raise it in the runner."""
        self._broken += isinstance(error, NotStored)
        self.stop(error)
        self._ended(job)

    @property
    def lost(self) -> int:
        """Finished answers that are not on disk."""
        return self._broken + sum(only_copy for _, only_copy in self._held)

    def retry_held(self) -> bool:
        """Write again what the disk did not take; whether some of it still waits, with hope."""
        with self._writing:
            while self._held:
                try:
                    self._held[0][0]()
                except OSError as error:
                    return may_pass(error)
                del self._held[0]
        return False

    def _answered_elsewhere(self, job: Job) -> bool:
        """Whether another step of this process was answered the same since this one looked."""
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
        """The last thing to do for an attempt: whoever waited for its money may start in here."""
        most = self._in_flight.pop(job.id, 0)
        self._counts.in_flight = len(self._in_flight)
        if most:
            self._ledger.ended(most)

    def stop(self, error: BaseException) -> None:
        """Let nothing start any more; the run ends with the first error."""
        self.stopped_by = self.stopped_by or error
        self.stopped = True
        self.arrived.wake()

    def _write(self, line: Callable[[], None], *, only_copy: bool = False) -> None:
        """Journal it, or stop and keep it in memory."""
        with self._writing:
            try:
                if not self._held:
                    line()
                    return
            except OSError as error:
                tell_held(error)
                self.stop(not_stored(error))
            self._held.append((line, only_copy))
