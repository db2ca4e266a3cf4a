"""kill -9 at every stage of a batch, the same command again: nothing submitted twice, nothing lost."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from dataflow.serving.dialects import Format
from tests.chaos.checks import ROOT, check_journal, check_rows, write_prompts
from tests.chaos.forking import begin
from tests.kit.batch_edits import forked
from tests.kit.loopback_batches import BatchServer, Outcome

ROWS = 8
KILLS = 14
MOMENTS = ("before", "after")  # the server carries out the request, which it does not do if the kill comes before
OPENAI = [(stage, when) for stage in ("upload", "create", "look", "download") for when in MOMENTS]
GOOGLE = [("begin", "after"), ("send", "before"), ("send", "after"), *OPENAI[2:]]


class Process(Protocol):
    """One that runs the command."""

    @property
    def pid(self) -> int | None: ...

    def kill(self) -> None: ...


def end_at(process: Process, stage: str, when: str, skip: int = 0) -> Callable[[str, str], bool]:
    """A hook that kills at the request after so many of this stage; the process is dead before the server goes on."""
    left = skip

    def hook(at: str, moment: str) -> bool:
        nonlocal left
        if (at, moment) != (stage, when):
            return False
        left -= 1
        if left < 0:
            process.kill()
            while _lives(process.pid):
                pass
        return left < 0

    return hook


def _lives(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def run_forked(
    server: BatchServer, folder: Path, api_format: Format, stage: str = "", when: str = "", skip: int = 0
) -> int:
    """Run the command once, killed at this stage; returns the exit code."""
    process = begin(forked, server.url, folder, api_format)
    server.hook = end_at(process, stage, when, skip)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def run_script(server: BatchServer, folder: Path, api_format: Format, stage: str = "", when: str = "") -> int:
    """The same in a process of its own."""
    module = "tests.kit.batch_edits"
    process = subprocess.Popen([sys.executable, "-m", module, server.url, str(folder), api_format], cwd=ROOT)
    server.hook = end_at(process, stage, when)
    return process.wait()


def check(server: BatchServer, folder: Path, prompts: list[str]) -> None:
    assert len(server.submitted) == len(prompts)
    assert set(server.submitted.values()) == {1}, "a request was submitted twice"
    check_rows(folder, prompts)
    check_journal(folder, len(prompts))


@pytest.mark.parametrize(
    ("api_format", "stages"),
    [
        ("images", [("create", "before"), ("download", "after")]),
        ("gemini", [("create", "after")]),
    ],
)
def test_kills_in_turn_submit_nothing_twice_and_lose_nothing(
    tmp_path: Path, api_format: Format, stages: list[tuple[str, str]]
) -> None:
    prompts = write_prompts(tmp_path, ROWS)
    with BatchServer(looks=3) as server:
        for stage, when in stages:
            assert run_script(server, tmp_path, api_format, stage, when) == -9, (stage, when)
        assert run_script(server, tmp_path, api_format) == 0
        check(server, tmp_path, prompts)
        assert server.stages["list"] >= 1


def test_an_interrupt_leaves_the_batch_running_and_the_same_command_picks_it_up(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, ROWS)
    command = [sys.executable, "-m", "tests.kit.batch_edits"]
    with BatchServer(looks=1_000_000) as server:
        process = subprocess.Popen(
            [*command, server.url, str(tmp_path), "images"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )

        def hook(stage: str, when: str) -> bool:
            if stage == "look" and server.stages["look"] == 2 and when == "after":
                process.send_signal(signal.SIGINT)
            return False

        server.hook = hook
        said = process.communicate()[1]
        assert process.returncode == 130
        assert "8 requests go on in 1 batch at" in said
        assert "may have been paid" not in said
        server.looks = 0
        assert run_script(server, tmp_path, "images") == 0
        check(server, tmp_path, prompts)
        assert len(server.batches) == 1


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("api_format", "stage", "when"),
    [("images", *each) for each in OPENAI] + [("gemini", *each) for each in GOOGLE],
)
def test_a_kill_at_this_stage_submits_nothing_twice_and_loses_nothing(
    tmp_path: Path, api_format: Format, stage: str, when: str
) -> None:
    prompts = write_prompts(tmp_path, ROWS)
    with BatchServer() as server:
        assert run_forked(server, tmp_path, api_format, stage, when) == -9
        assert run_forked(server, tmp_path, api_format) == 0
        check(server, tmp_path, prompts)
    if (stage, when) != ("download", "after"):
        assert [path for path in (tmp_path / "cache/images/.batches").rglob("*") if path.is_file()] == []


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("api_format", ["images", "gemini"])
def test_kills_while_answers_are_stored_and_at_random_submit_nothing_twice(tmp_path: Path, api_format: Format) -> None:
    """Half of the kills come some milliseconds after a download, half by the clock; every fifth row expires once."""
    rows, chance = 300, random.Random(7)
    prompts = write_prompts(tmp_path, rows)
    late = set(prompts[::5])

    def outcome(prompt: str, before: int) -> Outcome:
        return "expired" if prompt in late and not before else None

    kills = 0
    with BatchServer(looks=2, outcome_for=outcome) as server:
        for number in range(KILLS + 1):
            process = begin(forked, server.url, tmp_path, api_format)
            delay = chance.uniform(0, 0.15)

            def hook(stage: str, when: str, process: Process = process, delay: float = delay) -> bool:
                if (stage, when) == ("download", "after"):
                    threading.Timer(delay, process.kill).start()
                return False

            server.hook = hook if number < KILLS and number % 2 else lambda stage, when: False
            by_clock = threading.Timer(chance.uniform(0.1, 0.8), process.kill)
            if number < KILLS and not number % 2:
                by_clock.start()
            process.join()
            by_clock.cancel()
            if process.exitcode == 0:
                break
            assert process.exitcode == -9
            kills += 1
        assert process.exitcode == 0
        assert server.prompts == {prompt: 2 if prompt in late else 1 for prompt in prompts}
        check_rows(tmp_path, prompts)
        check_journal(tmp_path, rows)
    print(f"{kills} kills, {len(server.batches)} batches")
    assert kills
