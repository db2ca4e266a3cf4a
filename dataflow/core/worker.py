"""The contract between the flow and whatever answers requests: an API, a model on a GPU, a judge.

A worker answers and measures; it decides nothing about rows, retries, order or money. Those
belong to the pool and to `run_step`, so a worker stays a few dozen lines.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Resources:
    """What one worker holds while its pool is open."""

    gpus: int = 0


class Worker(ABC):
    """Answers requests, in batches, concurrently.

    Attributes:
        max_batch: most jobs in one call.
        width: most calls in flight at once.
        resources: what must be free before a pool of this worker opens.
        retry: how often and when a transient failure is asked again.
    """

    max_batch: int = 1
    width: int = 1
    resources: Resources = Resources()
    retry: RetryPolicy = RetryPolicy()

    @abstractmethod
    def fingerprint(self) -> Mapping[str, JSON]:
        """What makes its answers what they are: model, revision, sampling. No address, no secret, no weights."""

    def prepare(self) -> None:
        """Runs once in the driver before the first request: check settings, download the model.

        Raises:
            ConfigError: a key, an address or a model is missing or wrong.
        """

    async def setup(self) -> None:
        """Runs once where the worker runs, on its event loop: connect, load weights."""

    @abstractmethod
    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job, in order; a job's own failure is `Answer(error=...)`, never an exception."""

    def recover(self, job: Job) -> Answer | None:
        """An answer that lies whole on disk although it was never journalled, or None."""
        return None

    async def close(self) -> None:
        """Undo `setup`."""
