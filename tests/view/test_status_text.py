"""A status in words: what fits into 80 columns, and what is said when."""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dataflow.view.reasons import FailedRows
from dataflow.view.status import Status, StepStatus, Verdicts
from dataflow.view.status_text import describe, describe_briefly

AT = time.time()
STEP = StepStatus(
    prefix="dataflow_cache_step",
    number=2,
    file="dataflow_cache_step_step2.jsonl",
    operator="PromptedImageEditGenerator",
    state="running",
    rows=1000,
    done=412,
    written=None,
    failed=5,
    failures=(FailedRows("refused", "blocked", 4), FailedRows("row", "no picture", 1)),
    errors="dataflow_cache_step_step2.errors.jsonl.part",
    requests=480,
    retried=12,
    in_flight=62,
    rows_per_second=3.4,
    seconds_left=173.0,
    cost=16.068,
    began=1.0,
    at=AT,
    pause="",
    retry_reason="",
    why="",
)
STATUS = Status(
    cache_path="cache",
    state="running",
    pid=4711,
    here=True,
    steps=(STEP,),
    at=AT,
    currency="USD",
    spent=55.068,
    estimated=0.0,
    unsure=2.418,
    unpriced=0,
    cut_off=0,
)


def text(step: StepStatus = STEP, width: int = 80, **changes: object) -> str:
    return "\n".join(describe(replace(STATUS, steps=(step,), **changes), width))  # type: ignore[arg-type]


def test_a_running_step_says_how_far_how_fast_how_long_how_dear_and_what_failed() -> None:
    assert text() == (
        "cache: running (process 4711)\n"
        "\n"
        "step  operator                    state    rows done  failed       cost\n"
        "   2  PromptedImageEditGenerator  running  412/1,000       5  16.07 USD\n"
        "      41 %, 62 in flight, 3.4 rows/s, 2 min 53 s left, 12 retried, at "
        f"{time.strftime('%H:%M:%S', time.localtime(AT))}\n"
        "      4 x refused: blocked\n"
        "      1 x no picture\n"
        "      each of them: cache/dataflow_cache_step_step2.errors.jsonl.part\n"
        "\n"
        "55.07 USD spent in all, up to 2.42 USD more in flight or of unknown cost"
    )


def test_the_brief_form_is_one_line_for_each_running_step() -> None:
    (line,) = describe_briefly(replace(STATUS, steps=(replace(STEP, state="complete"), STEP)))
    assert line.partition(" ")[2] == (
        "step 2 PromptedImageEditGenerator: 412/1,000 rows, 5 failed, 62 in flight, 3.4 rows/s, 2 min 53 s left,"
        " 12 retried, 16.07 USD"
    )


def test_between_two_steps_the_brief_form_says_so() -> None:
    (line,) = describe_briefly(replace(STATUS, state="between steps", steps=(replace(STEP, state="complete"),)))
    assert line.partition(" ")[2] == "between two steps, or just done (process 4711)"


@pytest.mark.parametrize("state", ["running", "between steps", "killed", "not running"])
def test_80_columns_hold_long_names_long_reasons_and_large_numbers(state: str) -> None:
    large = replace(
        STEP,
        operator="AnOperatorWithAnExceedinglyLongNameOfItsOwn",
        rows=10_000_000,
        done=9_999_999,
        failed=1_234_567,
        cost=1_234_567.89,
        pause="paused for 30 s: " + "busy " * 40,
        retry_reason="HTTP 500, as " + "every time " * 40,
        why="stopped because " + "of that " * 40,
        failures=tuple(FailedRows("refused", f"{chr(97 + n)} long reason " * 20, 9 - n) for n in range(9)),
    )
    said = text(large, state=state, cut_off=7, unpriced=3, here=False)
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert "21 rows for 6 other reasons" in said
    assert state != "running" or said.count("busy") == 40
    assert "…" in said


def test_nobody_is_told_of_costs_where_nobody_charges() -> None:
    said = text(currency="", spent=0.0, unsure=0.0)
    assert "cost" not in said
    assert "USD" not in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "killed"}, "process 4711 was killed or its machine went down"),
        ({"state": "killed", "cut_off": 1}, "1 request cut off without an answer: perhaps paid, if an API was asked"),
        ({"state": "between steps"}, "between two steps, or just done (process 4711)"),
        ({"here": False}, "running (process 4711 of another machine or container)"),
    ],
)
def test_what_is_said_of_the_directory(changes: dict[str, object], expected: str) -> None:
    assert expected in text(**changes)  # type: ignore[arg-type]


def test_a_notebook_is_told_to_run_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert "To go on, run the same cell again" in text(replace(STEP, state="stopped"), state="killed")


def test_the_same_command_is_named_only_where_it_goes_on() -> None:
    gone = text(replace(STEP, state="stopped"), state="killed")
    assert "To go on, run the same command again: what was answered is kept" in gone
    dear = text(replace(STEP, state="stopped", why="max_cost is 1 USD. To go on, raise it"), state="not running")
    assert "run the same command again" not in dear
    assert dear.endswith("What was answered is kept, and neither asked nor paid again.")


def test_a_step_that_stopped_says_how_to_go_on_and_one_with_failures_what_the_next_run_does() -> None:
    stopped = text(replace(STEP, state="stopped", why="the key is wrong"), state="not running")
    assert "      the key is wrong\n" in stopped
    assert "What was answered is kept" in stopped
    complete = text(replace(STEP, state="complete"), state="not running")
    assert "run the same command again" not in complete
    assert "rows are asked again only with retry_rejected=True or --retry_rejected." in " ".join(complete.split())


@pytest.mark.parametrize(("written", "expected"), [(0, "0 rows in its file"), (1, "1 row in its file")])
def test_a_step_whose_failed_rows_do_not_come_out_says_how_many_rows_did(written: int, expected: str) -> None:
    complete = replace(STEP, state="complete", rows=5, done=5, written=written)
    assert f"      {expected}, 5 failed\n" in text(complete)
    assert "in its file" not in text(replace(complete, written=5))


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_why_requests_are_retried_is_told(state: str) -> None:
    assert "      retried last: HTTP 500" in text(replace(STEP, state=state, retry_reason="HTTP 500"))


def test_a_step_that_rejects_says_how_much_was_accepted_and_at_which_cost() -> None:
    verdicts = Verdicts(accepted=25, rejected=3, unjudged=1, share=25 / 28, low=0.728, high=0.963, cost=0.644)
    judged = replace(STEP, state="complete", verdicts=verdicts)
    said = (
        "      25 accepted, 3 rejected, 1 unjudged: 89% accepted (73% to 96%), precision\n"
        "      not calibrated, 0.6440 USD per accepted row\n"
    )
    assert said in text(judged)
    assert "per accepted row" not in text(judged, currency="")
    beyond = replace(judged, verdicts=replace(verdicts, accepted=20, surplus=5))
    assert "      20 accepted and 5 more than wanted, 3 rejected, 1 unjudged: 89% accepted" in text(beyond)
    unknown = replace(verdicts, accepted=0, rejected=0, share=None, low=None, high=None, cost=None)
    assert "      0 accepted, 0 rejected, 1 unjudged\n" in text(replace(judged, verdicts=unknown))


def test_a_step_that_makes_its_rows_says_how_far_its_quota_is() -> None:
    said = ("120 of 1,000 wanted accepted", "1,000 accepted take 1,260 (1,220 to 1,310) rows", "98.00 USD (94 to 103)")
    lines = text(replace(STEP, of_rows=said))
    assert "      120 of 1,000 wanted accepted, 1,000 accepted take 1,260 (1,220 to 1,310)\n      rows, 98.00" in lines


def test_what_of_the_sum_is_estimated_is_told() -> None:
    assert "55.07 USD spent in all, 0.1340 USD of it estimated, since replies counted no tokens," in " ".join(
        text(estimated=0.134).splitlines()
    )


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"),
    [
        (250.0, 59.4, "250 rows/s, 59 s left"),
        (0.5, 3599.0, "30 rows/min, 59 min 59 s left"),
        (0.01, 90_000.0, "36 rows/h, 25 h 0 min left"),
        (0.001, 400_000.0, "3.6 rows/h, 4 days 15 h left"),
    ],
)
def test_rates_and_times_have_units_that_people_read(rate: float, seconds: float, expected: str) -> None:
    assert expected in text(replace(STEP, rows_per_second=rate, seconds_left=seconds))
