"""The contract between the flow and whatever answers requests: an API, a model on a GPU, a judge.

A worker answers and measures; it decides nothing about rows, retries, order or money. Those
belong to the pool and to `run_step`, so a worker stays a few dozen lines.
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
    """Which jobs share a call.

    Args:
        max_batch: most jobs in one call.
        ahead: how many of the calls in flight are not worked on, but made ready or put away meanwhile; these are worth
            a wait of a second until their batch is full.
        groups: jobs of one `batch_key` go out one after another, though each is a call of its own.
    """

    max_batch: int = 1
    ahead: int = 0
    groups: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be asked of a worker at once.

    Args:
        width: most calls in flight at once, in one process.
        width_at_first: calls in flight to begin with, where how many an account may have is to be found out; None:
            `width`.
        per_minute: calls that may start in a minute, as far as the user set or the server stated it.
        account: whose limits the calls count against, equal for all workers that share them; None: nobody shares them,
            and the width follows the worker's own.
        lookahead: rows that may be unanswered at once, where that is more than the runner's own number.
        drawn_at_once: calls for pictures that are worked on at a time while the others wait; 0: all in flight.
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
        devices: torch's names ("cuda:0", "cpu"). More than one: a process of its own for each, with `Limits.width`
            calls in each; `setup`, `call` and `close` run there.
        own_process: the same for at most one device, so that the driver stays responsive.
        gpus: what must be free before a pool of this worker opens, all its devices together.
    """

    devices: tuple[str, ...] = ()
    own_process: bool = False
    gpus: int = 0

    @property
    def processes(self) -> int:
        """In how many processes it runs."""
        return max(1, len(self.devices))


@dataclass(frozen=True, slots=True)
class Resources:
    """What one copy of a worker takes of a machine of a cluster.

    Args:
        gpus: a share below 1 lets copies share a card.
        cpus: cores.
        device: torch's name of what the copy sees there; empty: it asks for none.
    """

    gpus: float = 0.0
    cpus: float = 1.0
    device: str = ""


@dataclass(frozen=True, slots=True)
class Billing:
    """Under what name somebody charges for a worker's answers, and what bounds them.

    Args:
        model: its name in a price table.
        most_output: tokens of an answer at most, where the user bounds them.
        images: pictures, or texts, asked for in one request.
        share: of the listed price; batch files cost half.
        texts: bytes that go in with every request beside its own, such as the user's own fields.
        pictures: that go in with every request beside its own.
    """

    model: str
    most_output: int | None = None
    images: int = 1
    share: float = 1.0
    texts: int = 0
    pictures: int = 0


class Worker(ABC):
    """Answers requests, in batches, concurrently.

    `limits.width`, `limits.per_minute` and `warming` may change while a pool runs, which reads them before each call.
    The worker replaces the frozen value: `self.limits = replace(self.limits, per_minute=590)`.

    Attributes:
        batching: which jobs share a call.
        limits: how much may be asked of it at once.
        placement: where it runs.
        retry: how often and when a transient failure is asked again.
        licence: of the model, where it is known once `fingerprint` was asked; kept in the step's meta.
        save_path: folder where it stores pictures, if it does; a run stops before that disk is full.
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
        """What makes its answers what they are: model, revision, sampling. No address, no secret, no weights."""

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        """Further ones under which answers count: what it asks may show in `prepare` alone, or have changed."""
        return ()

    def provenance(self) -> Mapping[str, JSON]:
        """Where its answers come from, for people: model, commit, servers, versions of `libraries`.

        Kept in the step's meta and no part of any id, so that it may change freely.
        """
        return {}

    def batch_key(self, request: Request) -> Hashable:
        """Requests of equal keys may share a batch; asked only where `batching` has several in a call, or groups.

        Runs in the driver's thread that submits and must not raise: what is wrong with a request is for `call` to say.
        """
        return None

    def on_device(self, device: str) -> Self:
        """A copy of this worker, before `setup`, for the process of one of its devices; must pickle."""
        clone = copy.copy(self)
        clone.placement = replace(self.placement, devices=(device,))
        return clone

    def billing(self) -> Billing | None:
        """Who charges for its answers; None: they cost nothing.

        Raises:
            ConfigError: a setting is missing that decides it.
        """
        return None

    def mask_problem(self) -> str:
        """Why it would not edit within a row's mask; empty if it does.

        Asked after `prepare` and before the first request that may have a mask; in a dry run after `rehearse` at most.

        Raises:
            ConfigError: a setting is missing that decides it.
        """
        return f"{self!r} takes no mask: give a serving that does, or leave out input_mask_key"

    def prepare(self) -> None:
        """Runs once in the driver before the first request: check settings, get what the driver needs of a model.

        Raises:
            ConfigError: a key, an address or a model is missing or wrong.
        """

    def settle(self) -> None:
        """Runs once on the machine that answers, after `prepare` and before `setup`: find devices, download weights.

        Here that is in the driver, as soon as `prepare` has ended. On a cluster it is in each copy, which holds its
        GPUs by then; what the first one finds of `batching`, `limits` and `licence` holds for the worker.

        Raises:
            ConfigError: a device or the model is missing or wrong.
        """

    def resources(self, gpus: int) -> Resources | None:
        """What each copy of it takes of a cluster that has so many GPUs in all; None: it runs in the driver.

        A copy pickles, sees the driver's files under the same paths, and answers what any other copy would.
        """
        return None

    def rehearse(self) -> None:
        """A dry run's `prepare`, of a worker with a `billing`: it waits for nothing.

        Raises:
            ConfigError: as `prepare`.
        """
        self.prepare()

    @property
    def warming(self) -> str:
        """What the first answers wait for, such as code that is compiled; empty once they come at full speed."""
        return ""

    async def setup(self) -> None:
        """Runs once where the worker runs, on its event loop: connect, load weights."""

    @abstractmethod
    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job, in order; a job's own failure is `Answer(error=...)`, never an exception."""

    def recover(self, job: Job) -> Answer | None:
        """An answer that lies whole on disk although it was never journalled, or None."""
        return None

    def holds(self, job: Job) -> bool:
        """Whether an earlier attempt at a job goes on, whose answer the next one only takes. On the event loop."""
        return False

    def let_go(self) -> None:
        """A run stops: end, with an error, the calls whose answers the next run can still have. On the event loop."""

    async def close(self) -> None:
        """Undo `setup`."""
