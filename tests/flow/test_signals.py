"""How soon a process ends after a signal, at moments of a run at which nothing is to be waited for, and at others."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow.errors import Interrupted
from tests.chaos.checks import ROOT, write_prompts
from tests.kit.flow import Ask, journal_entries, prompts_storage
from tests.kit.loopback import LoopbackServer
from tests.kit.workers import WAIT, Echo, until

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SOON = 5.0  # seconds
AT_ONCE = 1.0

SCRIPT = """
import asyncio, os, signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from dataflow.scripts.run import run_script
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
from tests.kit.workers import Echo

def blocked():
    print("here\\n", end="", flush=True)
    time.sleep(60)

class Busy(Echo):
    def prepare(self):
        if {where!r} == "download":
            with ThreadPoolExecutor(2) as threads:
                [*threads.map(lambda _: blocked(), range(8))]

    async def setup(self):
        if {where!r} == "load":
            await asyncio.get_running_loop().run_in_executor(None, blocked)

    async def call(self, batch):
        if {where!r} == "draw":
            await asyncio.get_running_loop().run_in_executor(None, blocked)
        if {where!r} == "ask":
            print("here\\n", end="", flush=True)
            await asyncio.sleep({seconds})
        return await super().call(batch)

class Asks(Ask):
    def plan(self, row, columns):
        if {where!r} == "plan":
            print("here\\n", end="", flush=True)
            time.sleep(0.2)
        return super().plan(row, columns)

def main():
    return Asks(Busy(width=4)).run(FileStorage(sys.argv[1], cache_path=sys.argv[2]).step())

{end}
"""
AS_SCRIPT, PLAIN = "sys.exit(run_script(main))", "main()"


def begin(
    tmp_path: Path,
    where: str,
    *,
    end: str = AS_SCRIPT,
    seconds: float = 60,
    rows: int = 4,
    stderr: int = subprocess.PIPE,
) -> "subprocess.Popen[str]":
    """Start a run and wait until it is at a place where it stays."""
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(rows)])
    script = SCRIPT.format(where=where, end=end, seconds=seconds)
    command = [sys.executable, "-c", script, storage.first_entry_file_name, storage.cache_path]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def seconds_to_the_end(process: "subprocess.Popen[str]") -> float:
    began = time.monotonic()
    process.wait(WAIT)
    return time.monotonic() - began


@pytest.mark.parametrize("where", ["load", "download", "plan"])
@pytest.mark.parametrize("number", CODES)
def test_a_stop_with_nothing_in_flight_ends_the_process_soon(tmp_path: Path, where: str, number: int) -> None:
    process = begin(tmp_path, where, rows=200)
    process.send_signal(number)
    assert seconds_to_the_end(process) < SOON
    _, stderr = process.communicate()
    assert process.returncode == CODES[signal.Signals(number)]
    assert "with 0 rows done; everything answered is kept" in stderr
    assert "Traceback" not in stderr
    assert Ask(Echo()).run(prompts_storage(tmp_path, ["p0"]).step()).maybe_paid == 0


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ("", "stopped by Ctrl-C with 0 rows done"),
        ("sys.excepthook = lambda *_: print('mine', file=sys.stderr)\n", "mine"),
    ],
)
def test_a_script_of_ones_own_ends_as_soon_with_one_line_or_as_its_own_hook_says(
    tmp_path: Path, before: str, last: str
) -> None:
    process = begin(tmp_path, "load", end=before + PLAIN)
    process.send_signal(signal.SIGINT)
    assert seconds_to_the_end(process) < SOON
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith(last)
    assert "Traceback" not in stderr


@pytest.mark.parametrize("where", ["load", "draw", "ask"])
def test_a_second_ctrl_c_ends_the_process_at_once_without_a_traceback(tmp_path: Path, where: str) -> None:
    process = begin(tmp_path, where)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    stderr = ""
    while "Ctrl-C" not in stderr:  # it waits for what is in flight, or has stopped
        stderr += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert seconds_to_the_end(process) < AT_ONCE
    stderr += process.communicate()[1]
    assert process.returncode in (130, -signal.SIGINT)  # a shell sees 130 in both
    assert "Traceback" not in stderr
    cut = 0 if where == "load" else 4
    assert ("4 requests cut off; they may have been paid" in stderr) == bool(cut)
    assert Ask(Echo()).run(prompts_storage(tmp_path, ["p0"]).step()).maybe_paid == cut


def test_what_is_in_flight_is_waited_for_and_the_wait_is_named(tmp_path: Path) -> None:
    process = begin(tmp_path, "ask", seconds=1)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=WAIT)
    assert process.returncode == 129
    assert "waiting for 4 requests in flight, 2 min at most; Ctrl-C again cuts them off" in stderr
    assert sum(entry["t"] == "got" for entry in journal_entries(tmp_path / "cache")) == 4


def test_under_nohup_a_closed_terminal_stops_nothing(tmp_path: Path) -> None:
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it to what it starts
    try:
        process = begin(tmp_path, "ask", seconds=0.5)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=WAIT)
    assert (process.returncode, stderr) == (0, "")


def test_a_terminal_that_is_gone_takes_nothing_along(tmp_path: Path) -> None:
    """Each write to it fails from then on: the progress bar's, and the last words."""
    ours, theirs = pty.openpty()
    process = begin(tmp_path, "ask", seconds=1, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # what the system does for the terminal's own session
    process.communicate(timeout=WAIT)
    assert process.returncode == 129
    assert sum(entry["t"] == "got" for entry in journal_entries(tmp_path / "cache")) == 4


def test_a_signal_that_comes_too_late_for_a_step_stops_what_follows(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from dataflow.scripts.run import run_script
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
from tests.kit.workers import Echo
from dataflow.flow.signals import Signals

def main():
    with Signals.listening() as signals:
        summary = Ask(Echo()).run(FileStorage(sys.argv[1], cache_path=sys.argv[2]).step())
        signals.rows_done = summary.rows
        os.kill(os.getpid(), signal.SIGTERM)  # as while files are closed
    return summary

sys.exit(run_script(main))
"""
    storage = prompts_storage(tmp_path, ["a", "b"])
    command = [sys.executable, "-c", script, storage.first_entry_file_name, storage.cache_path]
    made = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert made.returncode == 143
    assert "stopped by SIGTERM with 2 rows done" in made.stderr
    assert storage.step().target.exists()


def test_interrupted_names_its_code() -> None:
    assert {number: Interrupted("", signal_number=number).exit_code for number in CODES} == CODES


STOPPED_FOR = 4.0  # seconds; longer than a request may take

EDITS = """
import sys
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

url, folder = sys.argv[1:]
storage = FileStorage(folder + "/rows.jsonl", cache_path=folder + "/cache")
serving = APIVLMServing_openai(url, model_name="m", image_io=ImageIO(folder + "/images"), max_workers=6, timeout=3)
print(PromptedImageEditGenerator(serving).run(storage.step()).retried)
"""


def test_answers_that_arrive_while_the_process_is_stopped_are_taken_when_it_goes_on(tmp_path: Path) -> None:
    write_prompts(tmp_path, 6)
    with LoopbackServer(latency=1.5) as server:
        command = [sys.executable, "-c", EDITS, server.url, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            until(lambda: server.in_flight == 6)
            process.send_signal(signal.SIGSTOP)  # as Ctrl-Z does
            began = time.monotonic()
            until(lambda: time.monotonic() - began > STOPPED_FOR)
            assert server.answered == 6
            process.send_signal(signal.SIGCONT)
            printed, _ = process.communicate(timeout=WAIT)
    assert (printed.splitlines()[-1], server.requests) == ("0", 6)
