"""Where a step's answers go: into the journal first, then to the runner's thread.

A pool calls it on the event loop's thread; a journal that cannot be written stops the run.
"""

import logging
import queue
from collections.abc import Callable
from pathlib import Path

from dataflow.core.progress import Counts
from dataflow.core.records import Answer, Job, Row
from dataflow.core.replay import Walk
from dataflow.errors import AnswerError, FatalAnswer, TransientAnswer
from dataflow.utils.journal import Journal

log = logging.getLogger(__name__)


class StepSink:
    """Journals what becomes of a step's jobs and passes it on to the runner's thread."""

    def __init__(self, journal: Journal, counts: Counts) -> None:
        self.stopped = False
        self.fatal: FatalAnswer | None = None
        self.failure: BaseException | None = None
        self.arrived: queue.SimpleQueue[tuple[str, Answer] | None] = queue.SimpleQueue()
        self._told: set[str] = set()  # each reason is worth one warning
        self._journal = journal
        self._counts = counts
        self._in_flight: set[str] = set()

    def starting(self, job: Job, attempt: int) -> bool:
        """Journal the start; what cannot be journalled is not sent."""
        if self.stopped:
            return False
        self._guarded(self._journal.start, job.id, attempt)
        if self.failure is not None:
            return False
        self._in_flight.add(job.id)
        self._counts.in_flight = len(self._in_flight)
        self._counts.sent += 1
        return True

    def retrying(self, job: Job, attempt: int, error: TransientAnswer) -> None:
        """Journal a failed attempt that another follows."""
        self._ended(job)
        self._counts.retried += 1
        self._guarded(self._journal.fail, job.id, attempt, error, again=True)
        told = str(error) in self._told or len(self._told) > 20
        if not told:
            self._told.add(str(error))
        log.log(logging.INFO if told else logging.WARNING, "asked again: %s", error)

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        """Journal the last word and hand it on; a fatal one stops the step."""
        self._ended(job)
        error = answer.error
        if error is None:
            self._counts.pictures += len(answer.pictures)
            self._guarded(self._journal.got, job.id, attempt, answer)
        else:
            self._guarded(self._journal.fail, job.id, attempt, error, again=False)
            if isinstance(error, FatalAnswer):
                self.fatal = self.fatal or error
                self.stopped = True
        self.arrived.put((job.id, answer))

    def broken(self, job: Job, error: BaseException) -> None:
        """The worker failed: stop, and raise it in the runner."""
        self._ended(job)
        self._stop(error)

    def _ended(self, job: Job) -> None:
        self._in_flight.discard(job.id)
        self._counts.in_flight = len(self._in_flight)

    def _stop(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.stopped = True
        self.arrived.put(None)

    def _guarded(self, write: Callable[..., None], *what: object, **more: object) -> None:
        try:
            write(*what, **more)
        except OSError as error:
            self._stop(error)


def describe_failure(source: Path, walk: Walk, inputs: tuple[str, ...]) -> Row:
    """The line of the errors file for a failed row."""
    error = walk.error
    line: Row = {"source": str(source), "line": walk.line, "row": walk.index, "class": "row", "reason": str(error)}
    if isinstance(error, AnswerError):
        line["class"] = error.kind
        line["said"] = error.said
        line["maybe_paid"] = error.maybe_paid
    return {**line, "fields": {column: walk.row.get(column) for column in inputs}}
