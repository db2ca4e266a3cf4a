"""What the person sees: the closing line, a bar on a terminal, and one line at a time without one."""

import sys
from pathlib import Path

import pytest

from dataflow.flow.counts import Counts
from dataflow.flow.progress import Progress
from dataflow.flow.summary import Summary
from tests.kit.flow import Ask, prompts_storage
from tests.kit.terminal import run_at_terminal
from tests.kit.workers import Echo


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
        "step 2: 1,200 rows, 3 failed (2 x busy, 1 for other reasons), 4 images/s, 1 request sent,"
        " 0 answered before, 1 picture adopted, 2 asked again (picture gone), 4 may have been paid without an answer,"
        " 2.0 s -> c/s.jsonl"
    )


@pytest.mark.parametrize(("pictures", "shown"), [(1, "0.5"), (3, "1.5"), (246, "123"), (15_041, "7,520")])
def test_a_speed_has_three_digits_and_no_exponent(pictures: int, shown: str) -> None:
    assert f", {shown} images/s, " in summary(pictures=pictures)


def test_a_short_run_without_a_terminal_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, "ab").step())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("level", ["warning", "ERROR", "info", "nonsense"])
def test_any_log_level_is_accepted(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_LOG_LEVEL", level)
    with Progress("step 1", 10, Counts()) as progress:
        progress.tick()


def test_the_time_a_model_warms_up_is_shown_and_no_part_of_the_speed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("dataflow.flow.progress.time.monotonic", lambda: clock[0])
    counts = Counts(pause="loading the model")
    with Progress("step 1", 30, counts) as progress:
        for clock[0], change in [
            (40.0, {}),
            (60.0, {"sent": 1, "in_flight": 1, "pause": "compiling for 64 x 64"}),
            (100.0, {}),
            (101.0, {"pause": ""}),
            (110.0, {"rows": 5}),
            (120.0, {"rows": 10}),
            (140.0, {"rows": 20}),
        ]:
            for name, value in change.items():
                setattr(counts, name, value)
            progress.tick()
    assert capfd.readouterr().err.splitlines() == [
        "step 1: 0/30 rows, 0/s, 0 in flight, loading the model",
        "step 1: 0/30 rows, 0/s, 1 in flight, compiling for 64 x 64",
        "step 1: 20/30 rows, 0.5/s, 1 in flight, 20 s left",
    ]


def test_log_lines_stand_above_the_bar_and_output_goes_where_it_was_sent() -> None:
    script = """
import logging
from dataflow.flow.progress import Progress
from dataflow.flow.counts import Counts
logging.basicConfig(format="%(levelname)s of the root")
library = logging.getLogger("a.library")
library.propagate = False
library.addHandler(logging.StreamHandler())
with Progress("step 1", 10, Counts()):
    logging.warning("")
    library.warning("of a library")
    print("printed")
library.warning("afterwards")
"""
    printed, lines = run_at_terminal(sys.executable, "-c", script)
    assert printed == "printed\n"
    assert {"WARNING of the root", "of a library", "afterwards"} <= {line.strip() for line in lines}
    assert any("0/10" in line for line in lines)


def test_in_80_columns_the_rows_done_and_the_money_are_seen() -> None:
    script = """
from dataflow.flow.progress import Progress
from dataflow.flow.counts import Counts
counts = Counts(rows=123, in_flight=64, limit=" of 64", cost=7_900_000_000, currency="USD", pause="reading [/weights]")
with Progress("step 1 PromptedImageEditGenerator", 300_000, counts):
    pass
"""
    _, lines = run_at_terminal(sys.executable, "-c", script)
    (last,) = {line for line in lines if "64 in flight" in line}
    assert last.startswith("step 1 ")
    assert "    123/300000 " in last
    assert "/s, 64 in flight of 64, 7.90 USD, reading [/" in last
    assert len(last) <= 80
