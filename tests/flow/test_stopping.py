"""Runs that end before their end: what is kept, what is asked again, and who learns of it."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.process_exit import STOPS
from dataflow.core.records import Answer, Job
from dataflow.errors import ConfigError, Failure, FatalAnswer, StepFailed
from dataflow.flow.runner import run_step
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import read_figures
from dataflow.utils.storage import FileStorage
from tests.flow.test_runner import Judge, judging
from tests.kit.flow import Ask, column, journal_entries, prompts_storage, read_rows, recipe, write_rows
from tests.kit.workers import WAIT, Breaking, Echo, Gated, Uneven


class Failing(Uneven):
    """Out of credit from the n-th request on."""

    def __init__(self, after: int, *, width: int) -> None:
        super().__init__(width=width)
        self._left = after

    async def answer(self, job: Job) -> Answer:
        self._left -= 1
        if self._left < 0:
            return Answer(error=Failure("fatal", "out of credit", said="402"))
        return await super().answer(job)


def test_a_fatal_answer_stops_with_what_was_in_flight_and_the_next_run_completes(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(200)])
    broke = Failing(50, width=4)
    with pytest.raises(FatalAnswer, match="out of credit"):
        Ask(broke).run(storage.step())
    assert 51 <= len(broke.asked) <= 54
    assert not storage.current.target.exists()
    healed = Echo()
    summary = Ask(healed).run(storage.reset().step())
    assert (summary.reused, summary.requests, summary.failed) == (50, 150, 0)
    assert summary.maybe_paid == 0


def test_rows_whose_answers_arrive_while_the_run_stops_are_done(tmp_path: Path) -> None:
    class Late(Gated):
        """Answers what it holds once the run stops."""

        def let_go(self) -> None:
            self.open()

        async def answer(self, job: Job) -> Answer:
            if job.request.prompt == "last":
                return Answer(error=Failure("fatal", "out of credit"))
            return await super().answer(job)

    with pytest.raises(FatalAnswer):
        Ask(Late()).run(prompts_storage(tmp_path, ["a", "b", "last"]).step())
    figures = read_figures(CacheFolder(tmp_path / "cache").status("dataflow_cache_step_step1"))
    assert (figures["rows_done"], figures["rows_in"]) == (2, 3)


def test_a_bug_in_the_worker_stops_the_run_at_once_and_keeps_the_answers(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b", "bug", "d"])
    with pytest.raises(ZeroDivisionError, match="worker"):
        Ask(Breaking(ZeroDivisionError("worker"), at="bug")).run(storage.step())
    again = Echo()
    Ask(again).run(storage.reset().step())
    assert again.asked == ["bug", "d"]


def test_a_worker_that_cannot_be_set_up_stops_the_run(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with pytest.raises(ConfigError, match="out of memory"):
        Ask(Breaking(ConfigError("out of memory"), in_setup=True)).run(storage.step())


@pytest.mark.parametrize("where", ["plan", "merge"])
def test_a_bug_in_the_operator_stops_the_run_with_its_traceback_and_keeps_the_answers(
    tmp_path: Path, where: str
) -> None:
    class Buggy(Ask):
        def plan(self, row: Any, columns: Any) -> Any:
            if where == "plan" and row["prompt"] == "p300":
                raise KeyError("a bug in plan")
            return super().plan(row, columns)

        def merge(self, row: Any, answers: Any, columns: Any) -> Any:
            if where == "merge" and row["prompt"] == "p300":
                raise KeyError("a bug in merge")
            return super().merge(row, answers, columns)

    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(301)])
    first = Echo()
    with pytest.raises(KeyError, match=f"a bug in {where}") as caught:
        Buggy(first).run(storage.step())
    assert any(entry.name == where for entry in caught.traceback)
    healed = Echo()
    Ask(healed).run(storage.reset().step())
    assert sorted(first.asked + healed.asked) == sorted(f"p{n}" for n in range(301))


@pytest.mark.parametrize("returned", [None, {"prompt": "a"}, ["text"]])
def test_an_operator_that_returns_no_list_of_rows_is_told_so(tmp_path: Path, returned: Any) -> None:
    class Careless(Ask):
        def merge(self, row: Any, answers: Any, columns: Any) -> Any:
            return returned

    with pytest.raises(StepFailed, match=r"Careless must return a list of rows"):
        Careless(Echo()).run(prompts_storage(tmp_path, "a").step())


def test_a_worker_name_that_was_not_given_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="asks a worker named 'model', which it was not given"):
        run_step(recipe(Echo(), workers={"other": Echo()}), prompts_storage(tmp_path, "a").step())


def test_waves_interrupted_in_their_middle_go_on_where_they_were(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["easy", "hard", "very hard"])

    class Tired(Judge):
        async def answer(self, job: Job) -> Answer:
            if "but" in job.request.prompt:
                return Answer(error=Failure("fatal", "tired"))
            return await super().answer(job)

    first = Echo(model="e"), Tired()
    with pytest.raises(FatalAnswer):
        run_step(judging(*first), storage.step())
    resumed = Echo(model="e"), Judge()
    run_step(judging(*resumed), storage.reset().step())
    whole = Echo(model="e"), Judge()
    fresh = FileStorage(storage.first_entry_file_name, cache_path=str(tmp_path / "fresh"))
    run_step(judging(*whole), fresh.step())
    assert read_rows(fresh.current.target) == read_rows(storage.current.target)
    assert sorted(first[0].asked + resumed[0].asked) == sorted(whole[0].asked)
    assert not any(prompt in first[0].asked for prompt in resumed[0].asked)


def test_two_steps_overlap_in_two_threads_on_one_cache(tmp_path: Path) -> None:
    storages = [
        FileStorage(
            str(write_rows(tmp_path / f"{name}.jsonl", [{"prompt": f"{name}{n}"} for n in range(200)])),
            cache_path=str(tmp_path / "cache"),
            file_name_prefix=name,
        )
        for name in ("one", "two")
    ]
    worker = Gated(held="two0", width=8)

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(Ask(worker).run, storages[1].step())
        worker.await_jobs(1)
        threads.submit(Ask(Uneven()).run, storages[0].step()).result(WAIT)
        worker.open()
        slow.result(WAIT)
    for storage, name in zip(storages, ("one", "two"), strict=True):
        assert [str(text).split("/")[0] for text in column(storage, "answer")] == [f"{name}{n}" for n in range(200)]
    assert len([entry for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]) == 400


SCRIPT = """
import asyncio, sys
from pathlib import Path
from dataflow.errors import Interrupted
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
from tests.kit.workers import Echo

class Slow(Echo):
    async def answer(self, job):
        if len(self.asked) == {at}:
            print("going", flush=True)
        await asyncio.sleep({pause})
        return await super().answer(job)

storage = FileStorage(sys.argv[1], cache_path=sys.argv[2])
worker = Slow(width=8)
try:
    Ask(worker).run(storage.step())
except Interrupted as stop:
    print(len(worker.asked), stop, flush=True)
    sys.exit(stop.exit_code)
"""


def stopped(tmp_path: Path, signals: list[int], pause: float) -> tuple["subprocess.CompletedProcess[str]", FileStorage]:
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(2000)])
    command = [
        sys.executable,
        "-c",
        SCRIPT.replace("{pause}", str(pause)).replace("{at}", "40" if pause < 1 else "8"),
        storage.first_entry_file_name,
    ]
    process = subprocess.Popen(
        [*command, storage.cache_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    for number in signals:
        os.kill(process.pid, number)
    output, errors = process.communicate(timeout=WAIT)
    return subprocess.CompletedProcess(command, process.returncode, output, errors), storage


@pytest.mark.parametrize(
    ("number", "called"),
    [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP, a closed terminal")],
)
def test_a_signal_stops_cleanly_and_the_next_run_pays_nothing_twice(
    tmp_path: Path, number: signal.Signals, called: str
) -> None:
    made, storage = stopped(tmp_path, [number], 0.005)
    assert made.returncode == 128 + number
    assert "Traceback" not in made.stderr
    sent = int(made.stdout.split()[0])
    assert 40 <= sent < 2000
    assert made.stdout.startswith(f"{sent} stopped by {called} with {sent} rows done; everything answered is kept")
    again = Echo()
    summary = Ask(again).run(storage.step())
    assert (len(again.asked), summary.maybe_paid) == (2000 - sent, 0)


def test_a_second_signal_cuts_off_what_is_in_flight_and_says_so(tmp_path: Path) -> None:
    made, storage = stopped(tmp_path, [signal.SIGINT, signal.SIGTERM], 60)
    assert made.returncode in (130, 143)
    assert "8 requests cut off; they may have been paid" in made.stderr
    assert "Traceback" not in made.stderr
    summary = Ask(Echo()).run(storage.step())
    assert summary.maybe_paid == 8
    assert "8 may have been paid without an answer" in str(summary)
    assert Ask(Echo()).run(storage.reset().step()).maybe_paid == 0


LOADS_FOR_LONG = """
import asyncio, ctypes, os, signal, sys, time
from dataflow.errors import Interrupted
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
from tests.kit.workers import Echo

class Loads(Echo):
    def load(self):
        time.sleep(0.5)  # the runner waits for the answer meanwhile
        os.kill(os.getpid(), signal.SIGINT)
        ctypes.PyDLL(None).usleep(600_000)  # no other thread runs: three times as long as the runner waits at once

    async def setup(self):
        await super().setup()
        await asyncio.get_running_loop().run_in_executor(None, self.load)

try:
    Ask(Loads()).run(FileStorage(sys.argv[1], cache_path=sys.argv[2]).step())
except Interrupted as stop:
    print(stop, flush=True)
    sys.exit(stop.exit_code)
"""


def test_a_signal_ends_the_wait_although_no_thread_may_run_until_its_time_is_over(tmp_path: Path) -> None:
    """As while a model loads: importing torch keeps the interpreter's lock for longer than the runner waits."""
    storage = prompts_storage(tmp_path, ["a"])
    command = [sys.executable, "-c", LOADS_FOR_LONG, storage.first_entry_file_name, storage.cache_path]
    made = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert (made.returncode, made.stderr) == (130, "")
    assert made.stdout.startswith("stopped by Ctrl-C with ")


def test_signal_handlers_are_restored_and_untouched_in_other_threads(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in STOPS]
    Ask(Echo()).run(prompts_storage(tmp_path, "a").step())
    assert [signal.getsignal(number) for number in STOPS] == before
    thread = threading.Thread(target=lambda: Ask(Echo()).run(prompts_storage(tmp_path, "b").step()))
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in STOPS] == before


def test_a_retry_that_waits_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["later", "fatal"])

    class Both(Echo):
        async def answer(self, job: Job) -> Answer:
            waiting = job.request.prompt == "later"
            return Answer(error=Failure("retry", "busy", wait=3600.0) if waiting else Failure("fatal", "no credit"))

    with pytest.raises(FatalAnswer):
        Ask(Both(width=1)).run(storage.step())
