"""What the batches of all providers have in common: values, and the protocol that each provider's file implements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal, Protocol

from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.dialects.reply import Post

Phase = Literal["running", "ended", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Times of the work with batches, in seconds.

    Args:
        gather: a file is submitted when no request has joined it for so long.
        gather_most: a file is submitted so long after its first request at the latest.
        poll: between two requests for the state of a batch.
        listing: for which a batch may be missing in the provider's list after it was created.
        resubmit: before a batch is submitted again for which the provider had no room.
        report: between two lines of the log that say how far the batches are.
        give_up: for which the provider may give no usable reply to an upload or a creation before the run stops. A
            batch that runs is waited for without end.
    """

    gather: float = 5.0
    gather_most: float = 300.0
    poll: float = 30.0
    listing: float = 60.0
    resubmit: float = 600.0
    report: float = 300.0
    give_up: float = 1800.0


@dataclass(frozen=True, slots=True)
class BatchError:
    """One reason that the provider gives for the failure of a whole batch.

    Args:
        attempt: the provider's words, in the form of a failed attempt.
        line: the line of the file that is at fault, from 0; None: the provider names no line.
    """

    attempt: Attempt
    line: int | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is.

    Args:
        phase: "ended", also for a batch that was cancelled or ran out of time; "failed" as a whole; "unknown": the
            provider has no such batch.
        state: the provider's own word for the phase.
        done: number of requests that were answered.
        failed: number of requests that failed.
        total: number of requests in the batch; 0: not known yet.
        files: the provider's names of the files with the answers, the one with the good answers first.
        errors: why the batch failed as a whole.
    """

    phase: Phase
    state: str = ""
    done: int = 0
    failed: int = 0
    total: int = 0
    files: tuple[str, ...] = ()
    errors: Sequence[BatchError] = ()


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One line of the file with a batch's answers.

    Args:
        request_id: of the request that the line answers.
        attempt: how the request ended; None: it was never run, since the batch expired or was cancelled.
    """

    request_id: str
    attempt: Attempt | None


class BatchApi(Protocol):
    """The calls and the wire format of one provider's batches.

    Attributes:
        most_requests: that one file may hold.
        most_bytes: that one file may have.
        window: the time that a batch may take, in words.
    """

    most_requests: int
    most_bytes: int
    window: str

    def encode_line(self, request_id: str, post: Post) -> bytes:
        """The line of a batch file for one request, with its line break.

        Args:
            request_id: 32 hex digits, by which the answer is found.
            post: the request as it would be sent outside of a batch.
        """

    def decode_line(self, line: bytes) -> AnswerLine | None:
        """Read a line of a file of answers; None: it is no JSON."""

    async def upload(self, file: IO[bytes], size: int, name: str) -> str:
        """Store a file of requests at the provider; returns the provider's name of the file.

        Args:
            file: is sent from its beginning.
            size: of the file in bytes.
            name: shown to the user on the provider's pages.

        Raises:
            AnswerError: the provider did not take the file.
        """

    async def create(self, path: str, input_file: str, tag: str) -> str:
        """Start a batch; returns the provider's name of the batch.

        Args:
            path: to which each request would go outside of a batch.
            input_file: the provider's name of the uploaded file.
            tag: is stored beside the batch, so that `find` finds it.

        Raises:
            AnswerError: the reply says that the batch was not started, or no reply came. After a failure with
                `maybe_paid` or `outage` the batch may exist all the same.
        """

    async def find(self, tag: str, since: float) -> str:
        """The provider's name of the batch with this tag; empty: the provider's list has no such batch.

        Args:
            tag: as it was given to `create`.
            since: seconds since the epoch, before which the batch was not created.

        Raises:
            AnswerError: the list could not be read.
        """

    async def state(self, batch: str) -> BatchState:
        """How far a batch is.

        Args:
            batch: the provider's name of the batch.

        Raises:
            AnswerError: the reply does not say.
        """

    async def download(self, name: str, into: IO[bytes]) -> bool:
        """Append a file of answers to a local one; returns whether the provider still has the file.

        Args:
            name: the provider's name of the file.
            into: the local file.

        Raises:
            AnswerError: the file did not arrive whole.
            OSError: the disk did not take it.
        """
