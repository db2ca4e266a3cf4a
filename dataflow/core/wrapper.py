"""A worker around another: it forwards the whole contract, so that a wrapper says only what it does otherwise.

`tests/core/test_wrapper.py` walks `Worker`, so that what the contract gains later is forwarded too.
"""

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, Self, TypeVar

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Billing, Limits, Placement, Resources, Worker

Value = TypeVar("Value")


class _Forwarded(Generic[Value]):
    """An attribute that is read from the wrapped worker each time, since it may change there."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, wrapper: "WorkerWrapper", owner: type) -> Value:
        value: Value = getattr(wrapper.worker, self._name)
        return value

    def __set__(self, wrapper: "WorkerWrapper", value: Value) -> None:
        setattr(wrapper.worker, self._name, value)


class WorkerWrapper(Worker):
    """Forwards everything to the worker that it wraps.

    Args:
        worker: who answers.
    """

    batching = _Forwarded[Batching]()
    limits = _Forwarded[Limits]()
    placement = _Forwarded[Placement]()
    retry = _Forwarded[RetryPolicy]()
    licence = _Forwarded[str]()
    save_path = _Forwarded[str]()
    warming = _Forwarded[str]()

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def __repr__(self) -> str:
        return repr(self.worker)

    def __str__(self) -> str:
        return str(self.worker)

    def fingerprint(self) -> Mapping[str, JSON]:
        """The worker's own."""
        return self.worker.fingerprint()

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        """The worker's own."""
        return self.worker.other_fingerprints()

    def provenance(self) -> Mapping[str, JSON]:
        """The worker's own."""
        return self.worker.provenance()

    def batch_key(self, request: Request) -> Hashable:
        """The worker's own."""
        return self.worker.batch_key(request)

    def on_device(self, device: str) -> Self:
        """A wrapper like this one around the worker's copy."""
        clone = copy.copy(self)
        clone.worker = self.worker.on_device(device)
        return clone

    def billing(self) -> Billing | None:
        """The worker's own."""
        return self.worker.billing()

    def mask_problem(self) -> str:
        """The worker's own."""
        return self.worker.mask_problem()

    def prepare(self) -> None:
        """Prepare the worker."""
        self.worker.prepare()

    def settle(self) -> None:
        """Settle the worker."""
        self.worker.settle()

    def resources(self, gpus: int) -> Resources | None:
        """The worker's own."""
        return self.worker.resources(gpus)

    def rehearse(self) -> None:
        """Prepare the worker as a dry run does."""
        self.worker.rehearse()

    async def setup(self) -> None:
        """Set the worker up."""
        await self.worker.setup()

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The worker's answers."""
        return await self.worker.call(batch)

    def recover(self, job: Job) -> Answer | None:
        """What the worker finds on disk."""
        return self.worker.recover(job)

    def holds(self, job: Job) -> bool:
        """Whether the worker still has an earlier attempt."""
        return self.worker.holds(job)

    def let_go(self) -> None:
        """Tell the worker that a run stops."""
        self.worker.let_go()

    async def close(self) -> None:
        """Close the worker."""
        await self.worker.close()
