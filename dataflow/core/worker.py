"""The contract between the flow and whatever answers requests: an API, a model on a GPU, a judge.

A worker answers and measures; it decides nothing about rows, retries, order or money. Those
belong to the pool and to `run_step`, so a worker stays a few dozen lines.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker holds while its pool is open."""

    gpus: int = 0


class Worker(ABC):
    """Answers requests, in batches, concurrently.

    Attributes:
        max_batch: most jobs in one call.
        width: most calls in flight at once, in one process.
        devices: where it may run ("cuda:0", "cpu"). More than one: a process of its own for each, which
            makes one call at a time; `setup`, `call` and `close` run there.
        own_process: the same for at most one device, so that the driver stays responsive.
        resources: what must be free before a pool of this worker opens, all its devices together.
        retry: how often and when a transient failure is asked again.
        licence: of the model, where it is known once `fingerprint` was asked; kept in the step's meta.
        save_path: folder where it stores pictures, if it does; a run stops before that disk is full.
    """

    max_batch: int = 1
    width: int = 1
    devices: tuple[str, ...] = ()
    own_process: bool = False
    resources: Resources = Resources()
    retry: RetryPolicy = RetryPolicy()
    licence: str = ""
    save_path: str = ""

    @abstractmethod
    def fingerprint(self) -> Mapping[str, JSON]:
        """What makes its answers what they are: model, revision, sampling. No address, no secret, no weights."""

    def batch_key(self, request: Request) -> Hashable:
        """Requests of equal keys may share a batch; asked only where `max_batch` is above 1, in the driver.

        Runs in the thread that submits and must not raise: what is wrong with a request is for `call` to say.
        """
        return None

    def on_device(self, device: str) -> Self:
        """A copy of this worker, before `setup`, for the process of one of its devices; must pickle."""
        clone = copy.copy(self)
        clone.devices = (device,)
        return clone

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
