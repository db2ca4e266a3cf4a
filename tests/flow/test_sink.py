"""Where answers go: what the journal cannot take is not sent, and memory does not grow with the rows."""

import tracemalloc
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Request
from dataflow.core.run_options import RunOptions
from dataflow.errors import Failure, StepFailed
from dataflow.flow.counts import Counts
from dataflow.flow.disk_room import Space
from dataflow.flow.runner import run_step
from dataflow.flow.sink import StepSink
from dataflow.journal.journal import Journal
from dataflow.money.budget import make_budget
from dataflow.money.ledger import Ledger
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, journal_entries, recipe, write_rows
from tests.kit.workers import Echo, Uneven

JOB = Job("0a" * 16, Request("a"))


def test_each_event_is_counted_and_journalled(tmp_path: Path) -> None:
    counts = Counts()
    with Journal.opened(tmp_path) as journal:
        sink = StepSink(journal, counts, Space(journal, ()), Ledger(journal, make_budget({}, RunOptions())))
        assert sink.starting(JOB, 0)
        assert (counts.in_flight, counts.requests) == (1, 1)
        sink.retrying(JOB, 0, Failure("retry", "busy"))
        assert (counts.in_flight, counts.retried) == (0, 1)
        assert sink.starting(JOB, 1)
        sink.answered(JOB, 1, Answer(text="t"))
        assert [*sink.arrived.take()] == [(JOB.id, Answer(text="t"))]
    kinds = [(entry["t"], entry.get("n"), entry.get("again")) for entry in journal_entries(tmp_path)[2:]]
    assert kinds == [("start", 0, None), ("fail", 0, True), ("start", 1, None), ("got", 1, None)]
    assert (counts.in_flight, counts.retry_reason) == (0, "busy")


def test_a_long_wait_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal.opened(tmp_path) as journal:
        sink = StepSink(journal, Counts(), Space(journal, ()), Ledger(journal, make_budget({}, RunOptions())))
        for attempt, wait in enumerate((0.0, 1.0, 3600.0, 3590.0)):
            assert sink.starting(JOB, attempt)
            sink.retrying(JOB, attempt, Failure("retry", "busy", wait=wait))
    told = [record.getMessage() for record in caplog.records]
    assert told == ["asked again: busy", "asked again in 60 min, as the server wants: busy"]


def test_nothing_starts_after_a_fatal_answer_or_a_broken_worker(tmp_path: Path) -> None:
    with Journal.opened(tmp_path) as journal:
        sink = StepSink(journal, Counts(), Space(journal, ()), Ledger(journal, make_budget({}, RunOptions())))
        sink.answered(JOB, 0, Answer(error=Failure("fatal", "no credit")))
        assert not sink.starting(JOB, 1)
        counts = Counts()
        other = StepSink(journal, counts, Space(journal, ()), Ledger(journal, make_budget({}, RunOptions())))
        assert other.starting(JOB, 0)
        other.broken(JOB, ZeroDivisionError())
        assert not other.starting(JOB, 1)
        assert counts.in_flight == 0


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        source = write_rows(tmp_path / f"{rows}.jsonl", ({"prompt": f"{n}" + "x" * 1000} for n in range(rows)))
        storage = FileStorage(str(source), cache_path=str(tmp_path / f"cache{rows}"))
        tracemalloc.start()
        run_step(recipe(Uneven(width=64)), storage.step(), lookahead=200)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(600), peak(1500)
    notes = 900 * 1200  # the worker of the test keeps each prompt
    assert large - small - notes < 1_200_000, (small, large)  # 600 kB more (2026-11); a row kept is another 1 kB


def test_the_summary_tells_a_bounded_number_of_reasons_apart(tmp_path: Path) -> None:
    rows = [{"prompt": "x", "images": [f"gone{n}.png"]} for n in range(1100)]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", [*rows, {"prompt": "ok"}])), str(tmp_path / "cache"))
    summary = Ask(Echo()).run(storage.step())
    assert summary.failed == sum(summary.reasons.values()) == 1100
    assert len(summary.reasons) == 1001
    with pytest.raises(StepFailed):
        Ask(Echo()).run(FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), str(tmp_path / "cache")).step())
