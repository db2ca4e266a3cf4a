"""Where answers go: what the journal cannot take is not sent, and memory does not grow with the rows."""

from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Request
from dataflow.core.run_options import RunOptions
from dataflow.errors import Failure
from dataflow.flow.counts import Counts
from dataflow.flow.disk_room import Space
from dataflow.flow.sink import StepSink
from dataflow.journal.journal import Journal
from dataflow.money.budget import make_budget
from dataflow.money.ledger import Ledger
from tests.kit.flow import journal_entries

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
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ["asked again: busy", "asked again in 60 min, as the server wants: busy"]


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
