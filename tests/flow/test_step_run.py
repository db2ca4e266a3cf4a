"""One run of a step: a source that changes meanwhile, and steps of which every row fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, Failure, StepFailed
from tests.kit.flow import Ask, prompts_storage, read_rows, write_rows
from tests.kit.workers import WAIT, Echo, Gated, Scripted


def test_a_source_that_shrinks_while_the_step_runs_is_an_error(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["slow", *(f"p{n}" for n in range(50))])
    worker = Gated(held="slow")
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(Ask(worker).run, storage.step())
        worker.await_jobs(51)
        write_rows(tmp_path / "prompts.jsonl", [{"prompt": "slow"}])
        worker.open()
        with pytest.raises(ConfigError, match=r"prompts\.jsonl.* changed while the step ran"):
            run.result(WAIT)
    assert not storage.current.target.exists()


def test_a_source_that_changes_while_the_step_runs_is_an_error(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["slow", "a"])
    worker = Gated(held="slow")
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(Ask(worker).run, storage.step())
        worker.await_jobs(2)
        write_rows(tmp_path / "prompts.jsonl", [{"prompt": "slow"}, {"prompt": "b"}])
        worker.open()
        with pytest.raises(ConfigError, match=r"prompts\.jsonl.* changed while the step ran"):
            run.result(WAIT)
    again = Echo()
    Ask(again).run(storage.reset().step())
    assert again.asked == ["b"]


def test_every_row_failed_is_an_error_with_the_files_written(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    worker = Scripted({"a": [Failure("refused", "no")], "b": [Failure("refused", "no")]})
    with pytest.raises(StepFailed, match=r"every row of step 1 failed, see .*_step1\.errors\.jsonl"):
        Ask(worker).run(storage.step())
    assert [row["answer"] for row in read_rows(storage.current.target)] == [[], []]
    assert len(read_rows(storage.current.errors)) == 2
