"""What the person sees while a step runs: a bar on a terminal, one line at a time without one."""

import sys
from pathlib import Path

import pytest

from dataflow.flow.counts import Counts
from dataflow.flow.progress import Progress
from tests.kit.flow import Ask, prompts_storage
from tests.kit.terminal import run_at_terminal
from tests.kit.workers import Echo


def test_a_short_run_without_a_terminal_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, "ab").step())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("level", ["warning", "ERROR", "info", "nonsense"])
def test_any_log_level_is_accepted(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_LOG_LEVEL", level)
    with Progress({"step 1": Counts(rows_in=10)}) as progress:
        progress.tick()


def test_the_time_a_model_warms_up_is_shown_and_no_part_of_the_speed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("dataflow.flow.progress.time.monotonic", lambda: clock[0])
    counts = Counts(rows_in=30, pause="loading the model")
    with Progress({"step 1": counts}) as progress:
        changes: list[tuple[float, dict[str, object]]] = [
            (40.0, {}),
            (60.0, {"requests": 1, "in_flight": 1, "pause": "compiling for 64 x 64"}),
            (100.0, {}),
            (101.0, {"pause": ""}),
            (110.0, {"rows_answered": 5}),
            (120.0, {"rows_answered": 10}),
            (140.0, {"rows_answered": 20}),
        ]
        for clock[0], change in changes:
            for name, value in change.items():
                setattr(counts, name, value)
            counts.set_done(counts.rows_answered)
            progress.tick()
    assert capfd.readouterr().err.splitlines() == [
        "step 1: 0/30 rows, 0/s, 0 in flight, loading the model",
        "step 1: 0/30 rows, 0/s, 1 in flight, compiling for 64 x 64",
        "step 1: 20/30 rows, 0.5/s, 1 in flight, 20 s left",
    ]


def test_rows_that_were_answered_before_tell_no_speed_while_the_first_request_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("dataflow.flow.speed.time.monotonic", lambda: clock[0])
    counts = Counts(rows_in=30)
    counts.set_done(6)
    clock[0] = 2.0
    counts.set_done(6)
    assert counts.speed.rate() == 0.0


def test_log_lines_stand_above_the_bar_and_output_goes_where_it_was_sent() -> None:
    script = """
import logging
from dataflow.flow.progress import Progress
from dataflow.flow.counts import Counts
logging.basicConfig(format="%(levelname)s of the root")
library = logging.getLogger("a.library")
library.propagate = False
library.addHandler(logging.StreamHandler())
with Progress({"step 1": Counts(rows_in=10)}):
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
counts = Counts(rows_in=300_000, rows_done=123, in_flight=64, limit=" of 64", cost=7_900_000_000, currency="USD")
counts.pause = "reading [/weights]"
later = Counts(rows_in=300, rows_done=48, in_flight=5, note="a long note that is cut at the end of the line")
with Progress({"step 1 PromptedImageGenerator": counts, "step 2 PromptedImageEditGenerator": later}):
    pass
"""
    _, lines = run_at_terminal(sys.executable, "-c", script)
    (last,) = {line for line in lines if "64 in flight" in line}
    assert last.startswith("step 1 ")
    assert "    123/300000 " in last
    assert "/s, 64 in flight of 64, 7.90 USD, reading [/" in last
    (behind,) = {line.rstrip() for line in lines if "a long note" in line}
    assert behind.startswith("step 2 ")
    assert "  48/300       a long note that is cut" in behind
    assert behind.endswith("…")
    assert max(len(last.rstrip()), len(behind)) <= 80
