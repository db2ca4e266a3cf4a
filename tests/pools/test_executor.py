"""Which executor has the pools and how long they live, and what a direct call gives back, raises, and leaves unsent."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.process_exit import stay
from dataflow.core.records import Request
from dataflow.core.worker import Limits
from dataflow.errors import ConfigError, Failure, FatalAnswer, Interrupted, RowError
from dataflow.pools.executor import LocalExecutor, call_directly, default_executor
from dataflow.testing import ScriptedWorker
from tests.kit.flow import draw
from tests.kit.workers import Echo, Gated, Scripted, Uneven, asks, until


def test_answers_come_in_the_order_asked_and_duplicates_differ(executor: LocalExecutor) -> None:
    answers = call_directly(Uneven(), asks("a", "b", "a", "a"), executor=executor)
    assert [answer.text[0] for answer in answers] == ["a", "b", "a", "a"]
    assert len({answer.text for answer in answers}) == 4
    assert call_directly(Uneven(), [], executor=executor) == []


def test_the_executor_is_the_one_that_is_named_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = default_executor()
    monkeypatch.setenv("DF_EXECUTOR", "local")
    assert type(usual) is LocalExecutor
    assert default_executor() is usual
    monkeypatch.setenv("DF_EXECUTOR", "slurm")
    with pytest.raises(ConfigError, match=r"DF_EXECUTOR=slurm: there is no such executor. Set it to local"):
        call_directly(Echo(), asks("a"))


def test_a_worker_settles_after_it_was_prepared_and_before_it_is_set_up(executor: LocalExecutor) -> None:
    class Settling(Echo):
        def settle(self) -> None:
            seen.append((self.prepared, self.set_up))

    seen: list[tuple[int, int]] = []
    call_directly(Settling(), asks("a", "b"), executor=executor)
    assert seen == [(1, 0)]


def test_a_failed_answer_is_a_value(executor: LocalExecutor) -> None:
    worker = Scripted({"bad": [Failure("refused", "no", said="policy")]})
    answers = call_directly(worker, asks("good", "bad"), executor=executor)
    assert [answer.error and answer.error.kind for answer in answers] == [None, "refused"]


def test_a_fatal_answer_is_raised_and_nothing_more_is_sent(executor: LocalExecutor) -> None:
    worker = Scripted({"fatal": [Failure("fatal", "no credit")]})
    worker.limits = Limits(width=1)
    with pytest.raises(FatalAnswer, match="no credit"):
        call_directly(worker, asks("good", "fatal", "more", "and more"), executor=executor)
    assert worker.asked == ["good", "fatal"]


def press_ctrl_c(worker: Gated, waits: Callable[[], bool], *, times: int = 1) -> threading.Thread:
    """Press it once the worker has two jobs; open the gate once the caller waits, or press again."""

    def press() -> None:
        worker.await_jobs(2)
        os.kill(os.getpid(), signal.SIGINT)
        until(waits)
        if times > 1:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            worker.open()

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize(("times", "texts"), [(1, ["a", "held", None]), (2, ["a", None, None])])
def test_ctrl_c_waits_for_what_is_in_flight_and_hands_over_what_was_answered(
    executor: LocalExecutor, caplog: pytest.LogCaptureFixture, times: int, texts: list[str | None]
) -> None:
    worker = Gated(held="held", width=1)
    pressing = press_ctrl_c(worker, lambda: "waiting for 1 request in flight" in caplog.text, times=times)
    try:
        with pytest.raises(Interrupted, match=r"stopped by Ctrl-C: . of 3 prompts answered: see `texts`") as caught:
            call_directly(worker, asks("a", "held", "never"), executor=executor)
    finally:
        pressing.join()
        stay()
    assert [text and text.split("/")[0] for text in caught.value.texts] == texts
    assert caught.value.exit_code == 130
    assert worker.asked == ["a", "held"]


@pytest.mark.parametrize("requests", [["a prompt"], "a prompt", Request("a prompt")])
def test_what_is_no_list_of_requests_is_refused(requests: Any) -> None:
    with pytest.raises(ConfigError, match=r"^call_directly: requests.*: give .*Request\(\.\.\.\)$"):
        call_directly(Echo(), requests)


def test_a_missing_picture_is_named_before_anything_is_sent(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Echo()
    with pytest.raises(RowError, match=r"gone\.png"):
        call_directly(worker, [Request("a", (str(tmp_path / "gone.png"),))], executor=executor)
    assert worker.asked == []


def test_pictures_come_back_from_a_direct_call(executor: LocalExecutor, tmp_path: Path) -> None:
    source = draw(tmp_path / "in.png")
    (answer,) = call_directly(ScriptedWorker(save_path=tmp_path), [Request("a", (str(source),))], executor=executor)
    assert Path(answer.pictures[0].path).is_file()


def test_a_pool_outlives_calls_and_close_ends_it(executor: LocalExecutor) -> None:
    worker = Echo()
    for _ in range(3):
        call_directly(worker, asks("a"), executor=executor)
    assert (worker.prepared, worker.set_up, worker.closed) == (1, 1, 0)
    assert executor.pool(worker) is executor.pool(worker)
    executor.close()
    assert worker.closed == 1
    call_directly(worker, asks("a"), executor=executor)
    assert (worker.prepared, worker.set_up) == (2, 2)


def test_a_pool_nobody_asked_is_neither_set_up_nor_closed(executor: LocalExecutor) -> None:
    worker = Echo()
    executor.pool(worker)
    executor.close()
    assert (worker.prepared, worker.set_up, worker.closed) == (1, 0, 0)


def test_wrong_settings_surface_before_anything_is_queued(executor: LocalExecutor) -> None:
    class Keyless(Echo):
        def prepare(self) -> None:
            raise ConfigError("DF_API_KEY is not set")

    worker = Keyless()
    with pytest.raises(ConfigError, match="DF_API_KEY"):
        call_directly(worker, asks("a"), executor=executor)
    assert worker.asked == []


def test_ctrl_c_at_the_very_end_ends_the_process_without_a_traceback() -> None:
    script = """
import os, signal, sys
from dataflow.core.records import Request
from dataflow.pools.executor import call_directly
from tests.kit.workers import Echo

class Slow(Echo):
    async def close(self):
        import asyncio
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)

call_directly(Slow(), [Request("a", makes="text")])
sys.stdout.write("all is written")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "all is written", "")
