"""SIGINT, two of them, SIGTERM at random points: the exit code says which, and what was answered is paid once."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos import edit_once
from tests.chaos.checks import check_journal, check_rows, in_flight, journal, unfinished, write_prompts
from tests.chaos.forking import begin
from tests.kit.loopback import Act, Asked, LoopbackServer


class Signaller:
    """Sends signals to the client when it asks for the n-th different thing of all runs, once in a run.

    Args:
        points: how many different things were asked at each stop.
        numbers: the signals; some milliseconds lie before the first and between two of them.
    """

    def __init__(self, points: list[int], numbers: tuple[signal.Signals, ...], seed: int) -> None:
        self.points = points
        self.numbers = numbers
        self.random = random.Random(seed)
        self.seen: set[str] = set()
        self.pid = 0

    def act(self, asked: Asked) -> Act | None:
        self.seen.add(asked.prompt)
        if self.pid and self.points and len(self.seen) >= self.points[0]:
            del self.points[0]
            pid, self.pid, delay = self.pid, 0, self.random.uniform(0, 0.02)
            for number in self.numbers:
                asyncio.get_running_loop().call_later(delay, self.send, pid, number)
                delay += self.random.uniform(0.001, 0.02)
        return None

    def send(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it ended between two signals
            os.kill(pid, number)


def stop_until_done(
    folder: Path, rows: int, points: list[int], numbers: tuple[signal.Signals, ...], seed: int
) -> tuple[list[int], int, int]:
    """The exit codes of the stopped runs, requests sent beside one for each row, and requests in flight at the ends."""
    prompts = write_prompts(folder, rows)
    signaller = Signaller(points, numbers, seed)
    codes: list[int] = []
    cut, seen = 0, 0
    with LoopbackServer(latency=0.05, act_for=signaller.act, remember=False) as server:
        while True:
            process = begin(edit_once.forked, server.url, folder)
            signaller.pid = process.pid or 0
            process.join()
            signaller.pid = 0
            assert process.exitcode is not None
            if process.exitcode == 0:
                break
            codes.append(process.exitcode)
            lines = journal(folder)
            cut += in_flight(lines[seen:])
            seen = len(lines)
        requests = server.requests
    assert check_journal(folder, rows) <= rows + cut
    check_rows(folder, prompts)
    said = (folder / "said.txt").read_text()
    assert "Traceback" not in said, said
    return codes, requests - rows, cut


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((signal.SIGINT,), 130),
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM,), 143),
    ],
    ids=["SIGINT", "SIGINT twice", "SIGTERM"],
)
def test_50_stops_end_with_their_exit_code_and_one_signal_costs_nothing(
    tmp_path: Path, numbers: tuple[signal.Signals, ...], code: int
) -> None:
    rows, stops = 1000, 50
    points = sorted(random.Random(code).sample(range(1, rows - 100), stops))
    codes, extra, cut = stop_until_done(tmp_path, rows, points, numbers, seed=code)
    print(f"{len(codes)} stops, exit codes {set(codes)}, {extra} requests paid twice, {cut} cut off in flight")
    # A second signal may arrive when the run has ended and Python is about to: the shell sees the same code.
    assert {c if c > 0 else 128 - c for c in codes} == {code}
    assert len(codes) == stops
    if len(numbers) == 1:
        assert (extra, cut) == (0, 0)
        assert unfinished(tmp_path / "cache" / "images") == 0
    assert 0 <= extra <= cut
