"""What a step notes in the journal of how far it is."""

from pathlib import Path

import pytest

from dataflow.errors import Failure, StepFailed
from dataflow.journal.journal import Journal
from tests.kit.flow import Ask, journal_entries, prompts_storage
from tests.kit.workers import Breaking, Echo, Scripted


def test_a_step_has_a_line_at_its_beginning_and_at_its_end_and_its_requests_name_it(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    entries = journal_entries(tmp_path / "cache")
    (step,) = [entry for entry in entries if entry["t"] == "step"]
    last = entries[-1]
    assert (step["file"], step["name"], step["of"]) == ("dataflow_cache_step_step1.jsonl", "Ask", 2)
    assert (last["t"], last["k"], last["of"], last["done"], last["failed"]) == ("rows", step["k"], 2, 2, 0)
    assert (last["answered"], last["over"]) == (2, True)
    assert last["at"] >= step["at"]
    assert "why" not in last
    assert {entry["k"] for entry in entries if entry["t"] == "start"} == {step["k"]}


def test_rows_that_an_earlier_run_had_answered_are_done_and_not_answered_again(tmp_path: Path) -> None:
    for _ in range(2):
        Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    last = journal_entries(tmp_path / "cache")[-1]
    assert (last["done"], last["answered"]) == (2, 0)


def test_a_run_that_goes_on_passes_over_the_notes(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    (tmp_path / "cache" / ".dataflow" / "index.sqlite").unlink()
    summary = Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    assert (summary.requests, summary.reused) == (0, 2)
    with Journal.opened(tmp_path / "cache") as journal:
        assert journal.index.count_started() == 0


def test_the_last_line_says_why_a_step_ended_and_nothing_of_an_exception_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError("a secret"))).run(prompts_storage(tmp_path, ["p"]).step())
    last = journal_entries(tmp_path / "cache")[-1]
    assert (last["over"], last["why"]) == (True, "stopped by ZeroDivisionError, as the run's own output says")
    with pytest.raises(StepFailed):
        Ask(Scripted({"p": [Failure("refused", "never")]})).run(prompts_storage(tmp_path, ["p"]).step())
    last = journal_entries(tmp_path / "cache")[-1]
    assert (last["done"], last["failed"]) == (1, 1)
    assert "why" not in last  # the step has its file
