"""Pools: width, order, retries, rate limits, and how failures of a worker reach the caller."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataflow.core.leaving import stay
from dataflow.core.records import Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Limits
from dataflow.errors import ConfigError, DataflowError, Failure, FatalAnswer, Interrupted, RowError
from dataflow.pools.executor import LocalExecutor, call_directly, default_executor
from dataflow.testing import ScriptedWorker
from tests.kit.flow import draw
from tests.kit.workers import WAIT, Breaking, Echo, Gated, Scripted, Uneven, until


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor()
    yield made
    made.close()


def asks(*prompts: str) -> list[Request]:
    return [Request(prompt, makes="text") for prompt in prompts]


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
            told.append((self.prepared, self.set_up))

    told: list[tuple[int, int]] = []
    call_directly(Settling(), asks("a", "b"), executor=executor)
    assert told == [(1, 0)]


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


def test_why_requests_are_asked_again_is_told_once(executor: LocalExecutor, caplog: pytest.LogCaptureFixture) -> None:
    busy = Failure("retry", "HTTP 500")
    assert len(call_directly(Scripted({"a": [busy, busy], "b": [busy]}), asks("a", "b"), executor=executor)) == 2
    assert [record.getMessage() for record in caplog.records] == ["asked again: HTTP 500"]


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


def test_a_missing_picture_is_named_before_anything_is_sent(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Echo()
    with pytest.raises(RowError, match=r"gone\.png"):
        call_directly(worker, [Request("a", (str(tmp_path / "gone.png"),))], executor=executor)
    assert worker.asked == []


def test_pictures_come_back_from_a_direct_call(executor: LocalExecutor, tmp_path: Path) -> None:
    source = draw(tmp_path / "in.png")
    (answer,) = call_directly(ScriptedWorker(save_path=tmp_path), [Request("a", (str(source),))], executor=executor)
    assert Path(answer.pictures[0].path).is_file()


@pytest.mark.parametrize("width", [1, 3])
def test_width_is_reached_and_never_exceeded(executor: LocalExecutor, width: int) -> None:
    worker = Uneven(width=width)
    call_directly(worker, asks(*(str(n) for n in range(40))), executor=executor)
    assert worker.most == width


def test_jobs_go_in_batches_of_at_most_max_batch(executor: LocalExecutor) -> None:
    sizes: list[int] = []

    class Batches(Echo):
        async def call(self, batch: object) -> list[Answer]:
            sizes.append(len(batch))  # type: ignore[arg-type]
            return list(await super().call(batch))  # type: ignore[arg-type]

    call_directly(Batches(width=1, max_batch=4), asks(*(str(n) for n in range(10))), executor=executor)
    assert sizes == [4, 4, 2]


def test_a_retry_re_enters_until_it_is_answered(executor: LocalExecutor) -> None:
    worker = Scripted({"a": [Failure("retry", "busy"), Failure("retry", "busy")]})
    (answer,) = call_directly(worker, asks("a"), executor=executor)
    assert answer.error is None
    assert worker.asked == ["a"] * 3


def test_used_up_retries_leave_the_last_error(executor: LocalExecutor) -> None:
    worker = Scripted({"a": [Failure("retry", f"busy {n}") for n in range(9)]})
    (answer,) = call_directly(worker, asks("a"), executor=executor)
    assert str(answer.error) == "busy 4"
    assert worker.asked == ["a"] * 5


def test_an_error_that_is_refused_after_its_retries_counts_as_refused(executor: LocalExecutor) -> None:
    odd = [Failure("retry", "no picture", said="sorry", retries=1, refuse_after=True, maybe_paid=True) for _ in "abc"]
    worker = Scripted({"a": odd})
    (answer,) = call_directly(worker, asks("a"), executor=executor)
    assert answer.error.kind == "refused"
    assert (answer.error.reason, answer.error.said, answer.error.maybe_paid) == ("no picture", "sorry", True)
    assert answer.error.attempts == 2
    assert len(worker.asked) == 2


def test_a_waiting_retry_holds_no_slot(executor: LocalExecutor) -> None:
    worker = Scripted({"slow": [Failure("retry", "busy", wait=0.3)]}, width=1)
    call_directly(worker, asks("slow", "b", "c"), executor=executor)
    assert worker.asked == ["slow", "b", "c", "slow"]


def test_a_rate_limit_pauses_the_whole_pool(executor: LocalExecutor) -> None:
    sent: list[float] = []

    class Timed(Scripted):
        async def answer(self, job: Job) -> Answer:
            sent.append(time.monotonic())
            return await super().answer(job)

    worker = Timed({"0": [Failure("wait", "slow down", wait=0.25)]}, width=1)
    call_directly(worker, asks("0", "1", "2"), executor=executor)
    assert worker.asked == ["0", "1", "2", "0"] or worker.asked == ["0", "0", "1", "2"]
    assert sent[1] - sent[0] >= 0.25


def test_no_more_are_in_flight_than_a_server_is_found_to_take(executor: LocalExecutor) -> None:
    class Limited(Uneven):
        refused = 0

        async def answer(self, job: Job) -> Answer:
            if self._now > 3:
                self.refused += 1
                return Answer(error=Failure("wait", "slow down"))
            return await super().answer(job)

    worker = Limited(width=10)
    answers = call_directly(worker, asks(*(str(n) for n in range(60))), executor=executor)
    assert [answer.error for answer in answers] == [None] * 60
    assert worker.refused < 20


def test_rows_begun_go_before_new_ones(executor: LocalExecutor) -> None:
    worker = Gated(held="first", width=1)
    pool = executor.pool(worker)
    done = threading.Event()

    class Sink:
        left = 5

        def starting(self, job: Job, attempt: int) -> bool:
            return True

        def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
            return False

        def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
            raise AssertionError(failure)

        def answered(self, job: Job, attempt: int, answer: Answer) -> None:
            self.left -= 1
            if not self.left:
                done.set()

        def broken(self, job: Job, error: BaseException) -> None:
            raise AssertionError(error)

    def jobs(*prompts: str) -> list[Job]:
        return [Job(f"{n:02x}" * 16, request) for n, request in enumerate(asks(*prompts))]

    sink = Sink()
    pool.submit(jobs("first"), sink, begun=False)
    worker.await_jobs(1)
    pool.submit(jobs("new 1", "new 2"), sink, begun=False)
    pool.submit(jobs("begun 1", "begun 2"), sink, begun=True)
    worker.open()
    assert done.wait(WAIT)
    assert worker.asked == ["first", "begun 1", "begun 2", "new 1", "new 2"]


def test_an_exception_of_the_worker_reaches_the_caller_and_sends_no_more(executor: LocalExecutor) -> None:
    worker = Breaking(ZeroDivisionError("a bug"), at="b")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        call_directly(worker, asks("a", "b", "c", "d", "e", "f"), executor=executor)
    executor.close()
    assert worker.asked == ["a", "b"]


def test_a_setup_failure_reaches_the_caller_and_setup_is_tried_again(executor: LocalExecutor) -> None:
    worker = Breaking(ConfigError("no GPU"), in_setup=True)
    for _ in range(2):
        with pytest.raises(ConfigError, match="no GPU"):
            call_directly(worker, asks("a", "b"), executor=executor)
    assert worker.asked == []


def test_a_worker_that_cancels_its_own_call_does_not_hang_the_caller(executor: LocalExecutor) -> None:
    with pytest.raises(DataflowError, match="cancelled"):
        call_directly(Breaking(asyncio.CancelledError()), asks("a"), executor=executor)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "0 answers to 1 job$"),
        (None, "gave NoneType: give one Answer for each job"),
        (["words"], "gave str where an Answer belongs"),
    ],
)
def test_what_is_no_answer_to_each_job_is_an_error(given: object, said: str, executor: LocalExecutor) -> None:
    class Odd(Echo):
        async def call(self, batch: object) -> object:  # type: ignore[override]
            return given

    with pytest.raises(DataflowError, match=said):
        call_directly(Odd(), asks("a"), executor=executor)


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


def test_the_wait_of_a_retry_follows_the_workers_own_policy(executor: LocalExecutor) -> None:
    worker = Scripted({"a": [Failure("retry", "busy")] * 3})
    worker.retry = RetryPolicy(retries=1, base=0.01)
    (answer,) = call_directly(worker, asks("a"), executor=executor)
    assert answer.error.kind == "retry"
    assert worker.asked == ["a", "a"]


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
