"""What every provider's batches have in common, in values and one protocol; one provider's wire format per file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal, Protocol

from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.dialects.reply import Post

Phase = Literal["running", "ended", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Intervals:
    """How long things take and how often they happen; all in seconds.

    Args:
        gather: how long a request waits for others to share its file, from the last one that joined it.
        gather_most: the same, from the first one.
        poll: between two looks at a batch.
        listing: how long a batch that was asked for may take to show up in the provider's list.
        resubmit: before a batch is submitted again that the provider had no room for.
        report: between two lines in the log that say how far the batches are.
        give_up: how long the provider may give no usable reply before the run stops; while batches run there,
            the run waits without end.
    """

    gather: float = 5.0
    gather_most: float = 300.0
    poll: float = 30.0
    listing: float = 60.0
    resubmit: float = 600.0
    report: float = 300.0
    give_up: float = 1800.0


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a batch failed as a whole: the provider's words as a failed attempt, and the line it blames, from 0."""

    attempt: Attempt
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How a batch stands.

    Args:
        phase: "ended" also for one that was cancelled or ran out of time; "unknown" if the provider has none.
        state: the provider's own word for it.
        done: requests answered.
        failed: requests that failed.
        total: requests it holds; 0 while that is not known.
        files: where its answers are, best first.
        complaints: why it failed as a whole.
    """

    phase: Phase
    state: str = ""
    done: int = 0
    failed: int = 0
    total: int = 0
    files: tuple[str, ...] = ()
    complaints: Sequence[Complaint] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch's answers.

    Args:
        request_id: whose it is.
        attempt: how the request ended; None if it was never run, since the batch expired or was cancelled.
    """

    request_id: str
    attempt: Attempt | None


class BatchApi(Protocol):
    """What a provider's batches need.

    Attributes:
        most_requests: in one file.
        most_bytes: of one file.
        window: how long a batch may take, in words.
    """

    most_requests: int
    most_bytes: int
    window: str

    def encode_line(self, request_id: str, post: Post) -> bytes:
        """The line of the file that asks for this request, with its line break."""

    def decode_line(self, line: bytes) -> Line | None:
        """A line of the answers; None if it is none."""

    async def upload(self, file: IO[bytes], size: int, name: str) -> str:
        """Store a file of requests at the provider; returns its name there.

        Raises:
            AnswerError: it was not taken.
        """

    async def create(self, path: str, input_file: str, tag: str) -> str:
        """Start a batch; returns its name.

        Raises:
            AnswerError: it was not started; with `maybe_paid` or `outage` it may have been all the same.
        """

    async def find(self, tag: str, since: float) -> str:
        """The name of the batch with this tag; empty if there is none.

        Args:
            tag: ours.
            since: seconds since the epoch; it is not older.

        Raises:
            AnswerError: the provider does not say.
        """

    async def look(self, batch: str) -> Look:
        """How a batch stands.

        Raises:
            AnswerError: the provider does not say.
        """

    async def download(self, name: str, into: IO[bytes]) -> bool:
        """Append a file of answers; whether the provider still has it.

        Raises:
            AnswerError: it was not had whole.
            OSError: it could not be stored.
        """
