"""The driver's side of one device: when a process is started again, and when no more."""

import os
import signal
import threading
from pathlib import Path

import pytest

from dataflow.core.worker import Placement
from dataflow.errors import ConfigError, WorkerDied
from dataflow.flow.runner import run_step
from dataflow.pools.executor import LocalExecutor
from tests.kit.apart import Apart, batches
from tests.kit.flow import journal_entries, prompts_storage, recipe
from tests.kit.in_processes import ask, parts
from tests.kit.sinks import Notes, jobs


def test_a_process_killed_between_calls_is_started_again(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    (first,) = ask(executor, worker, "a")
    os.kill(int(parts([first], 2)[0]), signal.SIGKILL)
    second = ask(executor, worker, "b", "c")
    assert parts(second, 0) == ["b", "c"]
    assert parts(second, 2)[0] != parts([first], 2)[0]


def test_three_deaths_in_a_row_stop_the_run_with_what_was_printed(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["good", *("always-die" for _ in range(5))])
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    with pytest.raises(WorkerDied, match=r"(?s)SIGKILL\), 3 times in a row. It last printed:\n.*about to fail$"):
        run_step(recipe(worker), storage.step())
    assert len([entry for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]) == 1


def test_a_process_that_cannot_load_stops_the_run_before_anything_is_asked(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    dying = Apart(str(tmp_path), setup_does="die")
    with pytest.raises(WorkerDied, match=r"(?s)exit code 9\), 3 times in a row.*not enough memory for the weights$"):
        run_step(recipe(dying), storage.step())
    with pytest.raises(ConfigError, match="a damaged checkpoint"):
        run_step(recipe(Apart(str(tmp_path), setup_does="raise")), storage.reset().step())
    assert batches(tmp_path) == []
    assert run_step(recipe(Apart(str(tmp_path))), storage.reset().step()).maybe_paid == 0


def test_a_worker_that_does_not_pickle_is_refused(executor: LocalExecutor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Apart\(\) cannot be sent to a process of its own: .*lock"):
        ask(executor, Apart(str(tmp_path), extra=threading.Lock()), "a")


def test_what_is_cut_off_does_not_answer_for_the_next(executor: LocalExecutor, tmp_path: Path, pipe: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    ask(executor, worker, "first")
    held, after = Notes(1), Notes(2)
    pool = executor.pool(worker)
    pool.submit(jobs([f"hold {pipe}"]), held, begun=False)
    with pipe.open("wb"):  # it is in the call now
        pool.cancel(held)
        pool.submit(jobs(["a", "b"]), after, begun=False)
        after.wait()
    assert (held.answers, after.retried, after.failure) == ({}, [], None)
    assert {prompt: answer.text.split("|")[0] for prompt, answer in after.answers.items()} == {"a": "a", "b": "b"}


def test_a_call_that_outlasts_the_closing_of_its_pool_is_ended_and_reported(tmp_path: Path, pipe: Path) -> None:
    executor = LocalExecutor()
    notes = Notes(2)
    executor.pool(Apart(str(tmp_path))).submit(jobs([f"hold {pipe}", "b"]), notes, begun=False)
    with pipe.open("wb"):
        executor.close()
        notes.wait()
    assert "Apart() was closed while it worked" in str(notes.failure)
