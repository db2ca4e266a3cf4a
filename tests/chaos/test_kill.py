"""kill -9 at random points, resumed until done: nothing that was journalled is paid again."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from dataflow.cli.clean import clean
from tests.chaos import edit_once
from tests.chaos.checks import (
    PICTURE,
    ROOT,
    check_journal,
    check_rows,
    in_flight,
    journal,
    unfinished,
    whole_pictures,
    write_prompts,
)
from tests.chaos.forking import begin
from tests.kit.drawing import mark_of, read_mark
from tests.kit.loopback import Act, Asked, LoopbackServer


class Killed(Protocol):
    """A process that can be killed."""

    def kill(self) -> None: ...


class Killer:
    """Kills the client a few milliseconds after it asks for the n-th different thing of all runs, once in a run.

    So each run is first answered what the one before was not.
    """

    def __init__(self, points: list[int], seed: int) -> None:
        self.points = points
        self.random = random.Random(seed)
        self.seen: set[int] = set()
        self.process: Killed | None = None

    def act(self, asked: Asked) -> Act | None:
        self.seen.add(hash((asked.prompt, asked.images)))
        process = self.process
        if process is not None and self.points and len(self.seen) >= self.points[0]:
            del self.points[0]
            self.process = None
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.04), process.kill)
        return None


def check_twice(folder: Path, prompts: list[str]) -> None:
    rows = [json.loads(line) for line in (folder / "cache/dataflow_cache_step_step2.jsonl").read_text().splitlines()]
    assert [row["conversations"] for row in rows] == prompts
    for row in rows:
        (draft,), (edited,) = row["draft"], row["edited_images"]
        assert read_mark(draft) == mark_of(row["conversations"], [PICTURE.read_bytes()])
        assert read_mark(edited) == mark_of(row["conversations"], [Path(draft).read_bytes()])


def kill_until_done(folder: Path, answers: int, points: list[int], run: Callable[[str, Killer, int], int]) -> str:
    """Run again and again, killed at each point, until it ends by itself; returns the figures.

    Args:
        folder: where it works.
        answers: that it needs.
        points: how many different things were asked at each kill.
        run: runs it once, given the address, the killer and how many runs there were; returns the exit code.
    """
    kills, lost_in_flight, seen = 0, 0, 0
    killer = Killer(points, seed=kills + answers)
    with LoopbackServer(latency=0.02, act_for=killer.act, remember=False) as server:
        while (code := run(server.url, killer, kills)) != 0:
            assert code == -9
            kills += 1
            lines = journal(folder)
            lost_in_flight += in_flight(lines[seen:])
            seen = len(lines)
        requests = server.requests
    starts = check_journal(folder, answers)
    assert starts - answers <= lost_in_flight
    assert requests <= starts
    return f"{kills} kills, {requests} requests for {answers} answers, {lost_in_flight} in flight at the kills"


def chained(folder: Path, rows: int, kills: int, seed: int, hows: Sequence[str]) -> None:
    """Two operators, killed again and again, each run in one of the ways by turns: "in_turn", "at_once"."""
    prompts = write_prompts(folder, rows)
    points = sorted(random.Random(seed).sample(range(1, 2 * rows - 10), kills))

    def run(url: str, killer: Killer, number: int) -> int:
        process = subprocess.Popen(edit_twice(url, folder, hows[number % len(hows)]), cwd=ROOT)
        killer.process = process
        return process.wait()

    figures = kill_until_done(folder, 2 * rows, points, run)
    assert int(figures.split()[0]) == kills
    check_twice(folder, prompts)
    if hows == ["at_once"]:
        check_in_turn(folder)
    print(figures)


def edit_twice(url: str, folder: Path, how: str) -> list[str]:
    return [sys.executable, "-m", "tests.chaos.edit_twice", url, str(folder), how]


def check_in_turn(folder: Path) -> None:
    """The same steps in turn ask nothing, and write what is there."""
    files = [folder / f"cache/dataflow_cache_step_step{number}.jsonl" for number in (1, 2)]
    written = [file.read_bytes() for file in files]
    with LoopbackServer() as server:
        subprocess.run(edit_twice(server.url, folder, "in_turn"), cwd=ROOT, check=True)
        assert server.requests == 0
    assert [file.read_bytes() for file in files] == written


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_two_operators_at_once_of_300_rows_survive_50_kills(tmp_path: Path) -> None:
    chained(tmp_path, 300, 50, 21, ["at_once"])


def test_two_chained_operators_survive_kills(tmp_path: Path) -> None:
    chained(tmp_path, 20, 4, 7, ["at_once", "in_turn"])


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_two_chained_operators_of_300_rows_survive_50_kills(tmp_path: Path) -> None:
    chained(tmp_path, 300, 50, 20, ["in_turn"])


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_1000_rows_survive_200_kills_and_leave_nothing_that_clean_does_not_remove(tmp_path: Path) -> None:
    """One kill in ten comes by the clock, so that it may also fall into the start of a run or into its end."""
    rows, kills, chance = 1000, 200, random.Random(6)
    prompts = write_prompts(tmp_path, rows)

    def run(url: str, killer: Killer, number: int) -> int:
        process = begin(edit_once.forked, url, tmp_path)
        if number % 10 == 9 and killer.points:
            del killer.points[0]
            process.join(chance.uniform(0, 0.5))
            process.kill()
        else:
            killer.process = process
        process.join()
        assert process.exitcode is not None
        return process.exitcode

    figures = kill_until_done(tmp_path, rows, sorted(chance.sample(range(1, rows - 20), kills)), run)
    assert int(figures.split()[0]) == kills
    check_rows(tmp_path, prompts)
    pictures = tmp_path / "cache" / "images"
    assert whole_pictures(pictures) == rows
    left = unfinished(pictures)
    clean(tmp_path / "cache", yes=True)
    assert unfinished(pictures) == 0
    check_rows(tmp_path, prompts)
    print(f"{figures}, {left} temporary files left and cleaned")
