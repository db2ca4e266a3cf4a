"""A wrapper forwards all that a worker may say or do, also what the contract gains later."""

import asyncio
import inspect
from collections.abc import Hashable, Mapping, Sequence
from typing import Self

import pytest

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Billing, Limits, Placement, Resources, Worker
from dataflow.core.wrapper import WorkerWrapper

JOB = Job("00" * 16, Request("a prompt"))
METHODS: Mapping[str, tuple[object, ...]] = {
    "fingerprint": (),
    "other_fingerprints": (),
    "provenance": (),
    "batch_key": (JOB.request,),
    "on_device": ("cuda:1",),
    "billing": (),
    "mask_problem": (),
    "prepare": (),
    "settle": (),
    "resources": (8,),
    "rehearse": (),
    "setup": (),
    "call": ([JOB],),
    "recover": (JOB,),
    "holds": (JOB,),
    "let_go": (),
    "close": (),
}
ATTRIBUTES = ("batching", "limits", "placement", "retry", "licence", "save_path", "warming")


class Noting(Worker):
    """Says something of its own everywhere, and notes what is asked of it."""

    batching = Batching(max_batch=3, ahead=1, groups=True)
    limits = Limits(5, width_at_first=2, per_minute=30.0, account="an account", lookahead=7)
    placement = Placement(("cuda:0", "cuda:1"), own_process=True, gpus=2)
    retry = RetryPolicy(retries=9)
    licence = "apache-2.0"
    save_path = "/pictures"

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    @property
    def warming(self) -> str:
        return "compiling"

    def fingerprint(self) -> Mapping[str, JSON]:
        self.asked.append(("fingerprint",))
        return {"model": "noting"}

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        self.asked.append(("other_fingerprints",))
        return [{"model": "noting, once"}]

    def provenance(self) -> Mapping[str, JSON]:
        self.asked.append(("provenance",))
        return {"server": "far away"}

    def batch_key(self, request: Request) -> Hashable:
        self.asked.append(("batch_key", request))
        return "a key"

    def on_device(self, device: str) -> Self:
        self.asked.append(("on_device", device))
        return super().on_device(device)

    def billing(self) -> Billing:
        self.asked.append(("billing",))
        return Billing("noting")

    def mask_problem(self) -> str:
        self.asked.append(("mask_problem",))
        return "no mask"

    def prepare(self) -> None:
        self.asked.append(("prepare",))

    def settle(self) -> None:
        self.asked.append(("settle",))

    def resources(self, gpus: int) -> Resources:
        self.asked.append(("resources", gpus))
        return Resources(gpus=0.5)

    def rehearse(self) -> None:
        self.asked.append(("rehearse",))

    async def setup(self) -> None:
        self.asked.append(("setup",))

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self.asked.append(("call", batch))
        return [Answer(text="yes")]

    def recover(self, job: Job) -> Answer:
        self.asked.append(("recover", job))
        return Answer(text="found")

    def holds(self, job: Job) -> bool:
        self.asked.append(("holds", job))
        return True

    def let_go(self) -> None:
        self.asked.append(("let_go",))

    async def close(self) -> None:
        self.asked.append(("close",))


def test_these_tests_know_the_whole_contract() -> None:
    contract = {name for name in vars(Worker) if not name.startswith("_")}
    assert contract == {*ATTRIBUTES, *METHODS}
    assert contract <= vars(WorkerWrapper).keys()
    assert contract <= vars(Noting).keys()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_is_the_workers_own(name: str) -> None:
    assert getattr(WorkerWrapper(Noting()), name) == getattr(Noting(), name)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_reaches_the_worker(name: str) -> None:
    worker = Noting()
    answer = getattr(WorkerWrapper(worker), name)(*METHODS[name])
    if inspect.iscoroutine(answer):
        asyncio.run(answer)
    assert worker.asked == [(name, *METHODS[name])]


def test_an_answer_of_a_method_comes_back() -> None:
    wrapper = WorkerWrapper(Noting())
    assert wrapper.fingerprint() == {"model": "noting"}
    assert wrapper.provenance() == {"server": "far away"}
    assert wrapper.batch_key(JOB.request) == "a key"
    assert wrapper.billing() == Billing("noting")
    assert wrapper.resources(8) == Resources(gpus=0.5)
    assert wrapper.recover(JOB) == Answer(text="found")
    assert wrapper.holds(JOB)
    assert asyncio.run(wrapper.call([JOB])) == [Answer(text="yes")]


def test_a_wrapper_goes_by_the_name_of_its_worker_which_is_its_class_unless_it_has_one() -> None:
    class Named(Noting):
        def __str__(self) -> str:
            return "owner/name"

    assert (str(WorkerWrapper(Noting())), str(WorkerWrapper(Named()))) == ("Noting", "owner/name")


def test_what_changes_in_the_worker_changes_in_the_wrapper_and_the_other_way_round() -> None:
    worker = Noting()
    wrapper = WorkerWrapper(worker)
    worker.limits = Limits(per_minute=590.0)
    assert wrapper.limits.per_minute == 590.0
    wrapper.limits = Limits(per_minute=60.0)
    assert worker.limits.per_minute == 60.0


def test_a_copy_for_a_device_wraps_the_copy_of_the_worker() -> None:
    worker = Noting()
    copied = WorkerWrapper(worker).on_device("cuda:1")
    assert isinstance(copied, WorkerWrapper)
    assert (copied.placement.devices, worker.placement.devices) == (("cuda:1",), ("cuda:0", "cuda:1"))
