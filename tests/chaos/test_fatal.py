"""Answers after which no other can succeed, in the middle of a run: what was in flight ends, nothing else starts."""

import threading
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import FatalAnswer
from tests.chaos.checks import check_journal, check_rows, write_prompts
from tests.chaos.edit_once import WIDTH, edit
from tests.kit.loopback import Act, Asked, LoopbackServer

CAUSES: dict[str, Act] = {
    "401": Act(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
    "402": Act(402, {"error": {"message": "Insufficient credits", "code": 402}}),
    "quota": Act(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
}


class Until:
    """Answers so many requests, then always the same failure, until it is healed."""

    def __init__(self, count: int, cause: Act) -> None:
        self.left, self.cause, self.healed = count, cause, False
        self.lock = threading.Lock()

    def act(self, asked: Asked) -> Act | None:
        with self.lock:
            self.left -= 1
            return None if self.healed or self.left >= 0 else self.cause


def stop_and_heal(folder: Path, rows: int, at: int, cause: Act) -> dict[str, Any]:
    prompts = write_prompts(folder, rows)
    until = Until(at, cause)
    with LoopbackServer(latency=0.02, act_for=until.act, remember=False) as server:
        with pytest.raises(FatalAnswer) as caught:
            edit(server.url, folder)
        stopped = server.requests
        # A 401 is believed when a second sample gets one.
        assert 1 <= stopped - at <= WIDTH + (cause.status == 401)
        until.healed = True
        summary = edit(server.url, folder)
        assert (summary.failed, summary.reused, summary.maybe_paid) == (0, at, 0)
        assert server.requests - stopped == rows - at
    check_journal(folder, rows)
    check_rows(folder, prompts)
    return {"refused": stopped - at, "said": str(caught.value)}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_fatal_answer_after_row_20_of_40_stops_within_what_was_in_flight(tmp_path: Path, cause: str) -> None:
    stop_and_heal(tmp_path, 40, 20, CAUSES[cause])


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_fatal_answer_after_row_500_of_1000_stops_within_what_was_in_flight(tmp_path: Path, cause: str) -> None:
    figures = stop_and_heal(tmp_path, 1000, 500, CAUSES[cause])
    print(f"{cause}: {figures['refused']} requests refused, then stopped: {figures['said'][:100]}")
