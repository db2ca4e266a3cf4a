"""Who holds the GPUs: never more than there are, idle pools make room, and nobody waits for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Request
from dataflow.core.worker import Placement
from dataflow.errors import ConfigError
from dataflow.flow.runner import run_step
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.pools.gpus import Gpus, count_gpus
from tests.kit.flow import column, judge_until_good, prompts_storage, recipe
from tests.kit.sinks import Notes, jobs
from tests.kit.workers import WAIT, Gated


class Machine:
    """Counts the GPUs that open workers hold."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.opened: list[str] = []


class OnGpu(Gated):
    """Holds GPUs between `setup` and `close`; only prompts with "hold" wait at the gate."""

    def __init__(self, machine: Machine, *, gpus: int = 1, model: str = "model") -> None:
        super().__init__(held="hold")
        self.model = model
        self.placement = Placement(gpus=gpus)
        self._machine = machine

    def __repr__(self) -> str:
        return f"OnGpu({self.model})"

    async def setup(self) -> None:
        await super().setup()
        self._machine.now += self.placement.gpus
        self._machine.most = max(self._machine.most, self._machine.now)
        self._machine.opened.append(self.model)

    async def close(self) -> None:
        await super().close()
        self._machine.now -= self.placement.gpus


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def one_gpu() -> Iterator[LocalExecutor]:
    made = LocalExecutor(gpus=1)
    yield made
    made.close()


def ask(executor: LocalExecutor, worker: OnGpu, *prompts: str) -> list[str]:
    answers = call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)
    return [answer.text.split("/")[0] for answer in answers]


def test_an_idle_pool_is_closed_for_another_and_opens_again(one_gpu: LocalExecutor, machine: Machine) -> None:
    first, second = OnGpu(machine), OnGpu(machine)
    for worker in (first, second, first, first):
        assert ask(one_gpu, worker, "a") == ["a"]
    assert (first.set_up, first.closed, second.set_up, second.closed, machine.most) == (2, 1, 1, 1, 1)


def test_pools_that_fit_together_stay_open(machine: Machine) -> None:
    executor = LocalExecutor(gpus=3)
    workers = [OnGpu(machine, gpus=2), OnGpu(machine, gpus=1), OnGpu(machine, gpus=0)]
    for worker in workers * 2:
        ask(executor, worker, "a")
    assert [(worker.set_up, worker.closed) for worker in workers] == [(1, 0)] * 3
    ask(executor, OnGpu(machine, gpus=1), "a")
    assert [worker.closed for worker in workers] == [1, 0, 0]
    executor.close()
    assert machine.most == 3


def test_a_busy_pool_is_waited_for(one_gpu: LocalExecutor, machine: Machine) -> None:
    busy, waits = OnGpu(machine), OnGpu(machine)
    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(ask, one_gpu, busy, "hold 1", "b")
        busy.await_jobs(2)
        waiting = threads.submit(ask, one_gpu, waits, "c")
        busy.open()
        assert held.result(WAIT) == ["hold 1", "b"]
        assert waiting.result(WAIT) == ["c"]
    assert (machine.most, busy.closed) == (1, 1)


def test_those_that_wait_are_served_in_turn_even_if_a_later_one_would_fit(machine: Machine) -> None:
    executor = LocalExecutor(gpus=2)
    busy, large, small = (OnGpu(machine, gpus=gpus, model=str(gpus)) for gpus in (1, 2, 1))
    notes = [Notes(1) for _ in range(3)]
    executor.pool(busy).submit(jobs(["hold"]), notes[0], begun=False)
    busy.await_jobs(1)
    executor.pool(large).submit(jobs(["a"]), notes[1], begun=False)
    executor.pool(small).submit(jobs(["b"]), notes[2], begun=False)
    busy.open()
    for note in notes:
        note.wait()
    executor.close()
    assert (machine.opened, machine.most) == (["1", "2", "1"], 2)


def test_two_models_of_one_step_take_turns_on_the_only_gpu(
    one_gpu: LocalExecutor, machine: Machine, tmp_path: Path
) -> None:
    class Judge(OnGpu):
        async def answer(self, job: Job) -> Answer:
            good = "easy" in job.request.prompt or "try more" in job.request.prompt
            return Answer(text="good" if good else "try more")

    editor, judge = OnGpu(machine, model="editor"), Judge(machine, model="judge")
    storage = prompts_storage(tmp_path, [f"{'easy' if n % 2 else 'hard'} {n}" for n in range(60)])
    workers = {"editor": editor, "judge": judge}
    summary = run_step(recipe(editor, steps=judge_until_good, workers=workers), storage.step(), executor=one_gpu)
    assert (summary.rows, summary.failed, machine.most) == (60, 0, 1)
    assert column(storage, "attempts") == [2, 1] * 30
    assert editor.set_up < 10


def test_a_worker_that_needs_more_than_there_is_is_refused_before_anything_is_asked(machine: Machine) -> None:
    worker = OnGpu(machine, gpus=2, model="large")
    with pytest.raises(ConfigError, match=r"OnGpu\(large\) needs 2 GPUs, there are 1"):
        ask(LocalExecutor(gpus=1), worker, "a")
    assert (worker.asked, worker.set_up) == ([], 0)


def test_gpus_that_join_count_and_those_that_go_may_come_back() -> None:
    gpus = Gpus(0)
    gpus.grow(8)
    gpus.grow(4)
    assert gpus.has(8)
    assert not gpus.has(9)


def test_a_setup_that_fails_gives_the_gpu_back(one_gpu: LocalExecutor, machine: Machine) -> None:
    class TooLarge(OnGpu):
        async def setup(self) -> None:
            raise ConfigError("out of memory")

    with pytest.raises(ConfigError, match="out of memory"):
        ask(one_gpu, TooLarge(machine), "a")
    assert ask(one_gpu, OnGpu(machine), "b") == ["b"]


def test_closing_the_executor_ends_a_wait(one_gpu: LocalExecutor, machine: Machine) -> None:
    busy, waits = OnGpu(machine), OnGpu(machine)
    held, never = Notes(1), Notes(1)
    one_gpu.pool(busy).submit(jobs(["hold"]), held, begun=False)
    busy.await_jobs(1)
    one_gpu.pool(waits).submit(jobs(["a"]), never, begun=False)
    busy.open()
    held.wait()
    one_gpu.close()
    assert never.answers or "was closed before it could answer" in str(never.failure)
    assert machine.now == 0


@pytest.mark.parametrize(
    ("shown", "count"),
    [("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("2, 0,-1,1", 2), ("GPU-5ca1ab1e,MIG-0ddba11", 2), ("NoDevFiles", 0)],
)
def test_gpus_are_counted_as_cuda_shows_them(monkeypatch: pytest.MonkeyPatch, shown: str, count: int) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert count_gpus() == count
    if not count:
        with pytest.raises(ConfigError, match=f"there are 0 \\(CUDA_VISIBLE_DEVICES={shown}\\)"):
            LocalExecutor().pool(OnGpu(Machine()))


def test_unless_told_the_driver_is_asked_and_then_its_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver = Path("/proc/driver/nvidia/gpus")
    if driver.is_dir():  # a machine with GPUs: the driver's list counts, and the tool is not asked
        assert count_gpus() == len(list(driver.iterdir()))
        return
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "GPU 0: NVIDIA H100 (UUID: GPU-1)"\necho "GPU 1: NVIDIA H100 (UUID: GPU-2)"\n')
    tool.chmod(0o755)
    assert count_gpus() == 2
