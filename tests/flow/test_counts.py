"""The figures of a run: which reasons are counted apart, which results are new, and what is said of kept rows."""

from pathlib import Path

import pytest

from dataflow.errors import StepFailed
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, write_rows
from tests.kit.workers import Echo


def test_the_summary_tells_a_bounded_number_of_reasons_apart(tmp_path: Path) -> None:
    rows = [{"prompt": "x", "images": [f"gone{n}.png"]} for n in range(1100)]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", [*rows, {"prompt": "ok"}])), str(tmp_path / "cache"))
    summary = Ask(Echo()).run(storage.step())
    assert summary.failed == sum(summary.reasons.values()) == 1100
    assert len(summary.reasons) == 1001
    with pytest.raises(StepFailed):
        Ask(Echo()).run(FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), str(tmp_path / "cache")).step())
