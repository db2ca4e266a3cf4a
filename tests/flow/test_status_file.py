"""The figures of a run while it runs, and what is left of them when it has ended."""

import threading
from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.errors import Failure, StepFailed
from dataflow.flow.runner import run_step
from dataflow.flow.status_file import last_figures, last_rows_per_second
from dataflow.journal.journal import Journal
from dataflow.journal.lines import encode_line
from dataflow.journal.lock import this_process
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import FiguresFile, read_figures
from tests.kit.flow import Ask, journal_entries, prompts_storage, recipe
from tests.kit.workers import Breaking, Echo, Gated, Scripted, until

STEP = "dataflow_cache_step_step1"


def status_path(folder: Path) -> Path:
    return CacheFolder(folder / "cache").status(STEP)


def status_of(folder: Path) -> Row:
    return read_figures(status_path(folder))


def test_a_run_shows_its_figures_from_its_beginning_and_leaves_none_when_it_has_ended(tmp_path: Path) -> None:
    gate = Gated(width=2)
    thread = threading.Thread(target=run_step, args=(recipe(gate), prompts_storage(tmp_path, ["p", "q", "r"]).step()))
    thread.start()
    try:
        until(lambda: status_of(tmp_path).get("in_flight") == 2)
        figures = status_of(tmp_path)
        assert (figures["file"], figures["operator"]) == (f"{STEP}.jsonl", "Ask")
        assert (figures["process"], figures["why"]) == (this_process(), "")
        assert (figures["rows_in"], figures["rows_done"], figures["requests"]) == (3, 0, 2)
        assert figures["at"] >= round(figures["began"], 1)
    finally:
        gate.open()
        thread.join()
    assert list(CacheFolder(tmp_path / "cache").statuses.iterdir()) == []


def test_a_run_says_why_it_was_stopped_and_nothing_of_an_exception_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError("a secret"))).run(prompts_storage(tmp_path, ["p"]).step())
    assert status_of(tmp_path)["why"] == "stopped by ZeroDivisionError, as the run's own output says"
    with pytest.raises(StepFailed):
        Ask(Scripted({"p": [Failure("refused", "never")]})).run(prompts_storage(tmp_path, ["p"]).step())
    assert not status_path(tmp_path).exists()  # the step has its file


def test_the_requests_and_costs_of_earlier_runs_are_carried_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError())).run(prompts_storage(tmp_path, ["p"]).step())
    first = Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    assert (first.requests, first.requests_before) == (2, 1)
    storage = prompts_storage(tmp_path, ["p", "q", "r"])
    second = Ask(Echo()).run(storage.step())
    assert (second.requests, second.requests_before) == (1, 3)
    assert last_figures(storage.current)["requests_before"] == 3


def test_the_speed_is_that_of_the_run_that_began_last(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["p"])
    assert last_rows_per_second(storage.step()) == 0
    Ask(Echo()).run(storage.current)
    began = last_figures(storage.current)["began"]
    interrupted = {"seconds": 20.0, "rows_answered": 40}
    FiguresFile(status_path(tmp_path)).write({"began": began + 1, **interrupted})
    assert last_rows_per_second(storage.current) == 2.0
    FiguresFile(status_path(tmp_path)).write({"began": began - 1, **interrupted})
    assert last_rows_per_second(storage.current) == 0  # a run of no time tells none


def test_figures_that_cannot_be_written_are_mentioned_once_and_stop_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = CacheFolder(tmp_path / "cache").statuses
    statuses.parent.mkdir(parents=True)
    statuses.write_bytes(b"in the way")
    summary = Ask(Echo()).run(prompts_storage(tmp_path, ["p"]).step())
    assert (summary.rows, summary.failed) == (1, 0)
    (warning,) = [record.getMessage() for record in caplog.records if "cannot be written" in record.getMessage()]
    assert str(statuses) in warning


def test_the_journal_says_nothing_of_steps_and_what_older_versions_noted_is_passed_over(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    entries = journal_entries(tmp_path / "cache")
    assert {entry["t"] for entry in entries} == {"journal", "run", "start", "got"}
    assert not [entry for entry in entries if "k" in entry]
    folder = CacheFolder(tmp_path / "cache")
    with folder.journal.open("ab") as file:
        file.write(encode_line({"t": "step", "k": 1, "file": f"{STEP}.jsonl", "name": "Ask", "of": 2, "at": 1.0}))
        file.write(encode_line({"t": "rows", "k": 1, "done": 2, "answered": 2, "of": 2, "failed": 0, "at": 2.0}))
    folder.index.unlink()
    summary = Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    assert (summary.requests, summary.reused) == (0, 2)
    with Journal.opened(tmp_path / "cache") as journal:
        assert journal.index.count_started() == 0
