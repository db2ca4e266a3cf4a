"""Which step `storage.step()` hands out: a notebook's cell may be run again, and a look at rows moves nothing."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from dataflow.core import OperatorABC
from dataflow.errors import AnswerError, ConfigError, Failure, InputError, Interrupted, StepFailed
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, prompts_storage, write_rows
from tests.kit.workers import Breaking, Echo, Gated, Scripted


def number_of_next(storage: FileStorage) -> int:
    return storage.step().number


def test_a_cell_that_ctrl_c_ended_goes_on_with_the_same_step(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["first", "held"]), Gated(held="held", width=1)

    def interrupt() -> None:
        worker.await_jobs(2)
        os.kill(os.getpid(), signal.SIGINT)
        worker.open()

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        Ask(worker).run(storage.step())
    summary = Ask(Echo()).run(storage.step())
    assert (summary.step, summary.reused, summary.failed) == (1, 2, 0)


def test_a_step_that_an_exception_ended_is_handed_out_again_until_it_is_done(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "abc")
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError(), at="b")).run(storage.step())
    no_key = Ask(Scripted({"c": [Failure("fatal", "no such key")]}))
    with pytest.raises(AnswerError):
        no_key.run(storage.step())
    with pytest.raises(ConfigError, match="no row of"):
        Ask(Echo()).run(storage.step(), input_key="nowhere")
    summary = Ask(Echo()).run(storage.step())
    assert (summary.step, summary.failed) == (1, 0)
    assert number_of_next(storage) == 2


def test_a_step_of_which_every_row_failed_is_handed_out_again_although_its_file_is_there(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["bad"])
    with pytest.raises(StepFailed):
        Ask(Scripted({"bad": [Failure("failed", "no")] * 9})).run(storage.step())
    assert storage.current.target.exists()
    assert Ask(Echo()).run(storage.step()).step == 1


def test_a_finished_step_is_passed_whatever_lies_on_disk(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    Ask(Echo()).run(storage.step())
    storage.current.target.unlink()
    assert number_of_next(storage) == 2


def test_a_look_at_rows_moves_nothing(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    Ask(Echo()).run(storage.step())
    for _ in range(3):
        assert [row["prompt"] for row in storage.step().read("dict")] == ["a", "b"]
        assert len(list(storage.rows())) == 2
    assert Ask(Echo()).run(storage.step(), output_key="more").step == 2
    storage.read("dict")
    assert number_of_next(storage) == 3


def test_steps_handed_out_beforehand_are_passed(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    first, second, third = storage.step(), storage.step(), storage.step()
    assert [step.number for step in (first, second, third)] == [1, 2, 3]
    Ask(Echo()).run(first)
    Ask(Echo()).run(second, output_key="more")
    assert number_of_next(storage) == 4


def test_a_dry_run_of_three_steps_hands_out_three(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab", dry_run=True)
    echo = Echo()
    numbers = [Ask(echo).run(storage.step(), output_key=key).step for key in ("one", "two", "three")]
    assert numbers == [1, 2, 3]
    assert number_of_next(storage) == 4


def test_a_bare_step_statement_counts_like_one_whose_value_is_taken(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    storage.step()
    storage.write(storage.read("dict"))
    storage.step()
    with pytest.raises(ConfigError, match="DataFrame or a list"):
        storage.write([1, 2])  # type: ignore[list-item]
    storage.step()
    storage.write(storage.read("dict"))
    assert (storage.current.number, storage.step().number) == (2, 3)


def test_an_operator_written_by_hand_that_raises_runs_again_on_the_same_step(tmp_path: Path) -> None:
    class Upper(OperatorABC):
        def run(self, storage: Any, *, broken: bool) -> str:
            rows = storage.read("dict")
            if broken:
                raise KeyError("a slip in the cell")
            path: str = storage.write([{"prompt": row["prompt"].upper()} for row in rows])
            return path

    storage = prompts_storage(tmp_path, "ab")
    with pytest.raises(KeyError):
        Upper().run(storage.step(), broken=True)
    Upper().run(storage.step(), broken=False)
    assert column(storage, "prompt") == ["A", "B"]
    assert number_of_next(storage) == 2


def test_an_input_that_appears_later_is_read_by_the_same_step(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path / "later.jsonl"), cache_path=str(tmp_path / "cache"))
    with pytest.raises(InputError, match="no input file"):
        storage.step().read("dict")
    write_rows(tmp_path / "later.jsonl", [{"a": 1}])
    assert storage.step().read("dict") == [{"a": 1}]


def test_reset_forgets_what_was_broken_off(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    Ask(Echo()).run(storage.step())
    storage.step().read("dict")
    assert storage.reset().step().number == 1
    assert number_of_next(storage) == 2


def test_a_step_that_runs_in_another_thread_is_passed(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, "a"), Gated()
    running = threading.Thread(target=Ask(worker).run, args=(storage.step(),))
    running.start()
    worker.await_jobs(1)
    assert number_of_next(storage) == 2
    worker.open()
    running.join()
