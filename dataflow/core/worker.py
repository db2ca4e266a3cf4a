"""The contract between the flow and a worker, which answers requests: an API, a model on a GPU, a judge, a script.

A worker answers requests and measures pictures. Rows, retries, order and money belong to the pool and to `run_step`, so
a worker stays a few dozen lines.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy

JUDGE = "judge"
"""The name of the worker that judges what the other workers of an operator made."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How a pool groups jobs into calls.

    Args:
        max_batch: most jobs in one call.
        ahead: how many of the calls in flight the model does not work on: their inputs are prepared, or their answers
            stored, while it works on the others. A pool waits up to a second for such a call to be full.
        groups: whether jobs of one `batch_key` are sent one after another, although each is a call of its own; for
            engines that form the batches themselves.
    """

    max_batch: int = 1
    ahead: int = 0
    groups: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls a worker may get at once.

    Args:
        width: most calls in flight, in each process of the worker.
        width_at_first: calls in flight at the start, where the pool is to find out how many the account may have;
            None: `width`.
        per_minute: most calls that may start in a minute, as the user set or the server stated it.
        account: a value that is equal for all workers whose calls count against the same limits; None: the worker
            shares its limits with no other.
        lookahead: most rows that may wait for answers at once, where that is more than `run_step` allows.
        drawn_at_once: how many calls for pictures the server works on at the same time; 0: all that are in flight.
    """

    width: int = 1
    width_at_first: int | None = None
    per_minute: float = math.inf
    account: Hashable = None
    lookahead: int = 0
    drawn_at_once: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a worker runs.

    Args:
        devices: names of devices as torch has them ("cuda:0", "cpu"). Each of several devices gets a process of its own
            with `Limits.width` calls; `setup`, `call` and `close` run there.
        own_process: whether a worker with one device or none runs in a process of its own too, so that the driver stays
            responsive.
        gpus: how many GPUs all devices together take; a pool of the worker opens when so many are free.
    """

    devices: tuple[str, ...] = ()
    own_process: bool = False
    gpus: int = 0

    @property
    def processes(self) -> int:
        """In how many processes the worker runs, from 1."""
        return max(1, len(self.devices))


@dataclass(frozen=True, slots=True)
class Resources:
    """What one copy of a worker takes of a machine in a cluster.

    Args:
        gpus: GPUs; below 1, several copies share one.
        cpus: cores.
        device: torch's name of the device that the copy uses there; empty: none.
    """

    gpus: float = 0.0
    cpus: float = 1.0
    device: str = ""


@dataclass(frozen=True, slots=True)
class Billing:
    """How the answers of a worker are charged, and what bounds the cost of one request.

    Args:
        model: the name of the model in a price table.
        most_output: most tokens of an answer, where the user bounds them; None: what the model can give.
        images: pictures, or texts, that one request asks for.
        share: share of the listed price that is charged, such as 0.5 for batch files.
        texts: bytes of text that every request sends beside its own, such as the user's own fields.
        pictures: pictures that every request sends beside its own.
    """

    model: str
    most_output: int | None = None
    images: int = 1
    share: float = 1.0
    texts: int = 0
    pictures: int = 0


class Worker(ABC):
    """Answers requests, several at once. A subclass implements `fingerprint` and `call`; the rest has a default.

    `limits.width`, `limits.per_minute` and `warming` may change while a pool runs: it reads them before each call. The
    worker then replaces the frozen value: `self.limits = replace(self.limits, per_minute=590)`.

    Attributes:
        batching: how a pool groups jobs into calls.
        limits: how many calls the worker may get at once.
        placement: on which devices, and in how many processes, the worker runs.
        retry: how often and when a request is sent again after a transient failure.
        licence: of the model, as far as it is known once `fingerprint` was called; kept in the step's meta file.
        save_path: folder in which the worker stores pictures; empty if it stores none. A run stops before the disk of
            this folder is full.
    """

    batching: Batching = Batching()
    limits: Limits = Limits()
    placement: Placement = Placement()
    retry: RetryPolicy = RetryPolicy()
    licence: str = ""
    save_path: str = ""

    def __str__(self) -> str:
        """Its name in progress lines and messages; a serving has its model's short name."""
        return type(self).__name__ if type(self).__repr__ is object.__repr__ else repr(self)

    @abstractmethod
    def fingerprint(self) -> Mapping[str, JSON]:
        """What the worker's answers depend on: model, revision, sampling. It is a part of every request's id.

        It holds no address and no secret, and reading it loads no weights.
        """

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        """Further fingerprints under which answers of earlier runs count.

        A worker has some if its fingerprint is complete only after `prepare`, or was another in earlier versions.
        """
        return ()

    def provenance(self) -> Mapping[str, JSON]:
        """Where the answers come from, for people to read: model, commit, servers, versions of `libraries`.

        It is kept in the step's meta file and is no part of any id, so it may change freely.
        """
        return {}

    def batch_key(self, request: Request) -> Hashable:
        """A key that is equal for requests that may share a batch.

        It is called only where `batching` has several jobs in a call, or groups. It runs in the thread that submits
        jobs and must not raise: `call` reports what is wrong with a request.
        """
        return None

    def on_device(self, device: str) -> Self:
        """A copy of this worker for the process of one of its devices; it must pickle. `setup` has not run yet.

        Args:
            device: one of `placement.devices`.
        """
        clone = copy.copy(self)
        clone.placement = replace(self.placement, devices=(device,))
        return clone

    def billing(self) -> Billing | None:
        """How the answers are charged; None if they cost nothing.

        Raises:
            ConfigError: a setting that this depends on is missing.
        """
        return None

    def mask_problem(self) -> str:
        """Why the worker cannot edit within a mask, as a sentence for the user; empty if it can.

        It is called after `prepare`, in a dry run after `rehearse` if at all, and before the first request that may
        have a mask.

        Raises:
            ConfigError: a setting that this depends on is missing.
        """
        return f"{self!r} takes no mask: give a serving that does, or leave out input_mask_key"

    def prepare(self) -> None:
        """Check settings and get what the driver needs of a model; called once, before the first request.

        Raises:
            ConfigError: a key, an address or a model is missing or wrong.
        """

    def settle(self) -> None:
        """Find devices and download weights; called once, on the machine that answers, between `prepare` and `setup`.

        On one machine that is in the driver, right after `prepare`. On a cluster it is in each copy, which holds its
        GPUs by then; the worker takes over `batching`, `limits` and `licence` from the first copy.

        Raises:
            ConfigError: a device or the model is missing or wrong.
        """

    def resources(self, gpus: int) -> Resources | None:
        """What each copy of the worker takes of a cluster; None if the worker runs in the driver.

        A copy must pickle. It sees the files of the driver under the same paths, and answers as any other copy would.

        Args:
            gpus: how many GPUs the whole cluster has.
        """
        return None

    def rehearse(self) -> None:
        """Check settings as `prepare` does, without waiting for anything; called in a dry run if `billing` is not None.

        Raises:
            ConfigError: as `prepare`.
        """
        self.prepare()

    @property
    def warming(self) -> str:
        """Why the first answers are slow, such as code that is compiled; empty once they come at full speed."""
        return ""

    async def setup(self) -> None:
        """Connect, or load weights; called once in each process of the worker, on its event loop."""

    @abstractmethod
    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Answer jobs.

        Args:
            batch: from 1 to `batching.max_batch` jobs, with equal `batch_key` if several.

        Returns:
            One answer for each job, in the order of the jobs. The failure of a job is `Answer(error=...)`: an exception
            stops the run.
        """

    def recover(self, job: Job) -> Answer | None:
        """The answer to a job whose pictures a killed run stored and did not journal; None if there is none."""
        return None

    def holds(self, job: Job) -> bool:
        """Whether the provider still works on an earlier attempt, whose answer the next attempt at the job only takes.

        It is called on the event loop.
        """
        return False

    def let_go(self) -> None:
        """End the calls whose answers the next run can still get, with an error each; called when a run stops.

        It is called on the event loop.
        """

    async def close(self) -> None:
        """Release what `setup` took."""
