"""A pool: width, order, retries, rate limits, outages, and how failures of a worker reach those that asked."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Request, Row
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Limits
from dataflow.errors import ConfigError, DataflowError, Failure, FatalAnswer
from dataflow.operators.base import Columns
from dataflow.pools.breaker import FAILURES
from dataflow.pools.executor import LocalExecutor, call_directly
from tests.kit.flow import Ask, column, prompts_storage
from tests.kit.sinks import Notes, jobs
from tests.kit.workers import WAIT, Breaking, Echo, Gated, Scripted, Uneven, asks, until

NO_PICTURE = Failure("retry", "no picture", retries=2, refuse_after=True)


class Outage(Echo):
    """Down until so many calls were made."""

    def __init__(self, calls: float, *, width: int = 8, dead: float = 60.0, maybe_paid: bool = False) -> None:
        super().__init__(width=width)
        self.retry = RetryPolicy(retries=3, base=0.001, cap=0.002, probe=0.01, dead=dead)
        self._calls = calls
        self._maybe_paid = maybe_paid

    async def answer(self, job: Job) -> Answer:
        if len(self.asked) <= self._calls:
            return Answer(error=Failure("retry", "HTTP 503", outage=True, maybe_paid=self._maybe_paid))
        return await super().answer(job)


def ask(worker: Echo, *prompts: str) -> list[Answer]:
    executor = LocalExecutor()
    try:
        return call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)
    finally:
        executor.close()


def test_an_outage_longer_than_all_retries_fails_no_row(caplog: pytest.LogCaptureFixture) -> None:
    worker = Outage(60)
    answers = ask(worker, *(f"p{n}" for n in range(40)))
    assert [answer.error for answer in answers] == [None] * 40
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in logged if "does not answer, trying every 0.01 s: HTTP 503" in text]) == 1
    assert len([text for text in logged if text.endswith("answers again")]) == 1


def test_while_an_address_is_down_one_call_at_a_time_goes_out() -> None:
    at_once: list[int] = []

    class Watched(Outage):
        async def answer(self, job: Job) -> Answer:
            if len(self.asked) > 2 * self.limits.width:  # whatever was in flight when it opened has ended
                at_once.append(self._now)
            return await super().answer(job)

    answers = ask(Watched(100, width=30), *(f"p{n}" for n in range(100)))
    assert [answer.error for answer in answers] == [None] * 100
    assert at_once[:40] == [1] * 40


def test_an_address_that_stays_dead_stops_the_run_and_says_so() -> None:
    with pytest.raises(FatalAnswer, match=r"answered nothing for .* minutes \(HTTP 503\): run again when it is back"):
        ask(Outage(float("inf"), dead=0.1), *(f"p{n}" for n in range(40)))


def test_an_address_that_was_never_there_is_not_said_to_answer_again(caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(Outage):
        async def answer(self, job: Job) -> Answer:
            answer = await super().answer(job)
            is_down = len(self.asked) <= FAILURES + self.limits.width
            return answer if is_down else Answer(error=Failure("fatal", "wrong address"))

    with pytest.raises(FatalAnswer, match="wrong address"):
        ask(Wrong(float("inf")), *(f"p{n}" for n in range(40)))
    logged = [record.getMessage() for record in caplog.records]
    assert [text for text in logged if "does not answer" in text]
    assert not [text for text in logged if "answers again" in text]


def test_what_may_have_been_paid_is_bounded_even_while_an_address_is_down() -> None:
    worker = Outage(float("inf"), maybe_paid=True)
    answers = ask(worker, *(f"p{n}" for n in range(12)))
    assert {str(answer.error) for answer in answers} == {"HTTP 503"}
    assert len(worker.asked) == 12 * 4


def test_refusals_and_waits_never_pause_an_address() -> None:
    script = {f"p{n}": [Failure("refused", "policy")] if n % 2 else [NO_PICTURE] * 3 for n in range(100)}
    answers = ask(Scripted(script), *script)
    assert all(answer.error.kind == "refused" for answer in answers)


def test_the_reason_of_a_pause_can_be_shown_while_it_lasts() -> None:
    probed = threading.Event()

    class Watched(Outage):
        async def answer(self, job: Job) -> Answer:
            if len(self.asked) > FAILURES + self.limits.width:
                probed.set()
            return await super().answer(job)

    executor = LocalExecutor()
    pool = executor.pool(Watched(float("inf")))
    pool.submit(jobs([f"p{n}" for n in range(40)]), Notes(1), begun=False)
    assert probed.wait(WAIT)
    assert pool.pause.startswith("does not answer, trying every 0.01 s: ")
    executor.close()


def test_that_a_model_is_loaded_and_warms_up_can_be_shown() -> None:
    go_on = threading.Event()

    class Slow(Gated):
        warms_up_for = ""

        @property
        def warming(self) -> str:
            return self.warms_up_for

        async def setup(self) -> None:
            await asyncio.to_thread(go_on.wait)

    executor, worker, notes = LocalExecutor(), Slow(), Notes(1)
    pool = executor.pool(worker)
    assert pool.pause == ""
    pool.submit(jobs(["a"]), notes, begun=False)
    until(lambda: pool.pause == f"opening {worker}")
    worker.warms_up_for = "room"
    assert pool.pause == "room", "what opens knows better what it waits for"
    worker.warms_up_for = ""
    go_on.set()
    worker.await_jobs(1)
    assert pool.pause == ""
    worker.warms_up_for = "a size"
    assert pool.pause == "a size"
    worker.open()
    notes.wait()
    executor.close()


def test_retries_that_one_kind_deserves_are_not_used_up_by_another() -> None:
    script = {"a": [Failure("wait", "wait"), Failure("retry", "busy"), NO_PICTURE]}
    worker = Scripted(script)
    (answer,) = ask(worker, "a")
    assert (answer.error, worker.asked) == (None, ["a"] * 4)


def test_a_kind_is_retried_as_often_as_it_deserves_in_all() -> None:
    lost = [Failure("retry", "lost", retries=1, maybe_paid=True) for _ in range(3)]
    worker = Scripted({"a": [lost[0], Failure("retry", "busy"), *lost[1:]]})
    (answer,) = ask(worker, "a")
    assert (str(answer.error), len(worker.asked)) == ("lost", 3)


def test_credit_that_is_held_halves_what_is_in_flight() -> None:
    worker = Scripted({"p0": [Failure("wait", "held", keep=0.5)]}, width=8)
    executor = LocalExecutor()
    pool = executor.pool(worker)
    notes = Notes(1)
    pool.submit(jobs(["p0"]), notes, begun=False)
    notes.wait()
    assert pool._limit.allowed == 4
    executor.close()


def run_twice(tmp_path: Path, worker: Gated) -> list[tuple[int, int]]:
    """Two steps over the same rows at the same time; what each sent and reused."""
    storages = [prompts_storage(tmp_path, [f"p{n}" for n in range(30)], file_name_prefix=name) for name in "xy"]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(Ask(worker).run, storage.step()) for storage in storages]
        worker.await_jobs(8)
        worker.open()
        summaries = [run.result() for run in runs]
    assert column(storages[0], "answer") == column(storages[1], "answer")
    return [(summary.requests, summary.reused) for summary in summaries]


def test_two_steps_that_ask_the_same_at_the_same_time_pay_once(tmp_path: Path) -> None:
    worker = Gated(width=8)
    (first, second) = run_twice(tmp_path, worker)
    assert len(worker.asked) == 30
    assert first[0] + second[0] == 30
    assert first[1] + second[1] == 30


def test_a_row_that_failed_in_one_of_two_steps_is_asked_by_the_other(tmp_path: Path) -> None:
    class Once(Gated):
        async def answer(self, job: Job) -> Answer:
            answer = await super().answer(job)
            if job.request.prompt == "p3" and self.asked.count("p3") == 1:
                return Answer(error=Failure("retry", "vanished", retries=0))
            return answer

    planned: list[str] = []

    class Planned(Ask):
        def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
            planned.append(row["prompt"])
            return super().plan(row, columns)

    worker = Once(width=8)
    storages = [prompts_storage(tmp_path, [f"p{n}" for n in range(10)], file_name_prefix=name) for name in "xy"]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(Planned(worker).run, storage.step()) for storage in storages]
        until(lambda: planned.count("p9") == 2)  # a step that begins behind a failure takes it for its own
        worker.await_jobs(8)
        worker.open()
        failed = [run.result().failed for run in runs]
    # The step that it failed for heals too if the other's answer comes before its row is written.
    assert sum(failed) <= 1
    assert (len(worker.asked), worker.asked.count("p3")) == (11, 2)


def test_two_servings_of_one_account_share_its_places() -> None:
    running: list[Job] = []

    class Shared(Gated):
        def __init__(self) -> None:
            super().__init__()
            self.limits = Limits(width=4, account="test_two_servings_of_one_account_share_its_places")

        async def answer(self, job: Job) -> Answer:
            running.append(job)
            assert len(running) <= 4
            answer = await super().answer(job)
            running.remove(job)
            return answer

    workers, executors = [Shared(), Shared()], [LocalExecutor(), LocalExecutor()]
    notes = [Notes(20), Notes(20)]
    for worker, executor, note in zip(workers, executors, notes, strict=True):
        executor.pool(worker).submit(jobs([f"p{n}" for n in range(20)]), note, begun=False)
    workers[0].await_jobs(4)
    for worker in workers:
        worker.open()
    for executor, note in zip(executors, notes, strict=True):
        note.wait()
        executor.close()
    assert [note.failure for note in notes] == [None, None]


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
    worker, notes = Gated(held="first", width=1), Notes(5)
    pool = executor.pool(worker)
    first, *others = jobs(["first", "new 1", "new 2", "begun 1", "begun 2"])
    pool.submit([first], notes, begun=False)
    worker.await_jobs(1)
    pool.submit(others[:2], notes, begun=False)
    pool.submit(others[2:], notes, begun=True)
    worker.open()
    notes.wait()
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


def test_a_call_that_is_no_coroutine_is_an_error_that_says_so(executor: LocalExecutor) -> None:
    class Plain(Echo):
        def call(self, batch: object) -> object:  # type: ignore[override]
            return [Answer(text="yes")]

    with pytest.raises(DataflowError, match=r"call is no coroutine: write `async def call\(self, batch\)`"):
        call_directly(Plain(), asks("a"), executor=executor)


def test_the_wait_of_a_retry_follows_the_workers_own_policy(executor: LocalExecutor) -> None:
    worker = Scripted({"a": [Failure("retry", "busy")] * 3})
    worker.retry = RetryPolicy(retries=1, base=0.01)
    (answer,) = call_directly(worker, asks("a"), executor=executor)
    assert answer.error.kind == "retry"
    assert worker.asked == ["a", "a"]
