"""How far the steps of a cache directory are, read from its files alone, whoever wrote them."""

import json
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, Failure
from dataflow.utils.cache_folder import CacheFolder
from dataflow.view.reasons import FailedRows
from dataflow.view.status import StatusReader
from tests.kit.flow import Ask, prompts_storage, write_rows
from tests.kit.workers import Scripted

STEP = "dataflow_cache_step_step1"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A finished step of two rows, of which one was refused."""
    storage = prompts_storage(tmp_path, "ab")
    Ask(Scripted({"b": [Failure("refused", "blocked")]})).run(storage.step())
    return Path(storage.cache_path)


def test_a_finished_step_says_what_became_of_its_rows(cache: Path) -> None:
    status = StatusReader(cache).look()
    (step,) = status.steps
    assert (status.state, step.state, step.operator) == ("between steps", "complete", "Ask")  # this process lives on
    assert (step.rows, step.done, step.failed, step.requests) == (2, 2, 1, 2)
    assert step.failures == (FailedRows("refused", "blocked", 1),)
    assert step.errors == f"{STEP}.errors.jsonl"


def test_a_complete_step_whose_file_is_gone_was_removed(cache: Path) -> None:
    (cache / f"{STEP}.jsonl").unlink()
    (step,) = StatusReader(cache).look().steps
    assert (step.state, step.written) == ("removed", None)


def test_a_step_written_by_hand_is_known_by_its_lines(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [{"a": 1}] * 3)
    write_rows(tmp_path / "dataflow_cache_step_step2.jsonl.part", [{"a": 1}] * 2)
    complete, stopped = StatusReader(tmp_path).look().steps
    assert (complete.state, complete.rows, complete.done, complete.operator) == ("complete", 3, 3, "")
    assert (stopped.state, stopped.rows, stopped.done) == ("stopped", None, 2)


def test_what_is_no_cache_directory_says_why_and_names_one_near(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"no cache directory: it has neither .*; did you mean {cache}"):
        StatusReader(tmp_path).look()
    with pytest.raises(ConfigError, match=r"it does not exist .*; give the cache_path of a FileStorage"):
        StatusReader(tmp_path / "nowhere").look()


def test_looking_writes_nothing_and_a_file_that_is_being_written_is_passed_over(cache: Path) -> None:
    statuses = CacheFolder(cache).statuses
    statuses.mkdir(exist_ok=True)
    (statuses / "a.json.tmp").write_text(json.dumps({"file": "other_step1.jsonl"}))
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert [step.file for step in StatusReader(cache).look().steps] == [f"{STEP}.jsonl"]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
