"""What the person sees: the closing line, and one line at a time without a terminal."""

from pathlib import Path

import pytest

from dataflow.core.progress import Counts, Progress, Summary
from tests.flow import Ask, prompts_storage
from tests.workers import Echo


def summary(**changed: object) -> str:
    plain = {
        "step": 2, "target": "c/s.jsonl", "rows": 1, "failed": 0, "reasons": {}, "requests": 1, "reused": 0,
        "adopted": 0, "lost": 0, "maybe_paid": 0, "seconds": 2.0, "pictures": 0,
    }  # fmt: skip
    return str(Summary(**{**plain, **changed}))  # type: ignore[arg-type]


def test_the_closing_line_says_only_what_happened() -> None:
    assert summary() == "step 2: 1 row, 0 failed, 1 request sent, 0 answered before, 2.0 s -> c/s.jsonl"
    full = summary(rows=1200, failed=3, reasons={"no": 1, "busy": 2}, pictures=8, adopted=1, lost=2, maybe_paid=4)
    assert full == (
        "step 2: 1,200 rows, 3 failed (2 x busy), 4 images/s, 1 request sent, 0 answered before, 1 picture adopted,"
        " 2 asked again (picture gone), 4 may have been paid without an answer, 2.0 s -> c/s.jsonl"
    )


def test_a_short_run_without_a_terminal_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, "ab").step())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("level", ["warning", "ERROR", "info", "nonsense"])
def test_any_log_level_is_accepted(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_LOG_LEVEL", level)
    with Progress("step 1", 10, Counts()) as progress:
        progress.tick()
