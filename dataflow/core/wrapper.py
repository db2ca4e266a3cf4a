"""The base of workers that wrap another worker: it forwards the whole contract, so a subclass holds only its change.

`tests/core/test_wrapper.py` goes through all members of `Worker`, so that none of them is forgotten here.
"""

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, Self, TypeVar

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Billing, Limits, Placement, Resources, Worker

Value = TypeVar("Value")


class _Forwarded(Generic[Value]):
    """An attribute that is read from the wrapped worker at each access, since the worker may change it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, wrapper: "WorkerWrapper", owner: type) -> Value:
        value: Value = getattr(wrapper.worker, self._name)
        return value

    def __set__(self, wrapper: "WorkerWrapper", value: Value) -> None:
        setattr(wrapper.worker, self._name, value)


class WorkerWrapper(Worker):
    """Forwards every member of `Worker` to the worker that it wraps.

    Args:
        worker: the wrapped worker, which answers.
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
        """Call `fingerprint` of the wrapped worker."""
        return self.worker.fingerprint()

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        """Call `other_fingerprints` of the wrapped worker."""
        return self.worker.other_fingerprints()

    def provenance(self) -> Mapping[str, JSON]:
        """Call `provenance` of the wrapped worker."""
        return self.worker.provenance()

    def batch_key(self, request: Request) -> Hashable:
        """Call `batch_key` of the wrapped worker."""
        return self.worker.batch_key(request)

    def on_device(self, device: str) -> Self:
        """A copy of this wrapper around the copy that the wrapped worker makes for a device."""
        clone = copy.copy(self)
        clone.worker = self.worker.on_device(device)
        return clone

    def billing(self) -> Billing | None:
        """Call `billing` of the wrapped worker."""
        return self.worker.billing()

    def mask_problem(self) -> str:
        """Call `mask_problem` of the wrapped worker."""
        return self.worker.mask_problem()

    def prepare(self) -> None:
        """Call `prepare` of the wrapped worker."""
        self.worker.prepare()

    def settle(self) -> None:
        """Call `settle` of the wrapped worker."""
        self.worker.settle()

    def resources(self, gpus: int) -> Resources | None:
        """Call `resources` of the wrapped worker."""
        return self.worker.resources(gpus)

    def rehearse(self) -> None:
        """Call `rehearse` of the wrapped worker."""
        self.worker.rehearse()

    async def setup(self) -> None:
        """Call `setup` of the wrapped worker."""
        await self.worker.setup()

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Call `call` of the wrapped worker."""
        return await self.worker.call(batch)

    def recover(self, job: Job) -> Answer | None:
        """Call `recover` of the wrapped worker."""
        return self.worker.recover(job)

    def holds(self, job: Job) -> bool:
        """Call `holds` of the wrapped worker."""
        return self.worker.holds(job)

    def let_go(self) -> None:
        """Call `let_go` of the wrapped worker."""
        self.worker.let_go()

    async def close(self) -> None:
        """Call `close` of the wrapped worker."""
        await self.worker.close()
