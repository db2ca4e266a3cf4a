"""A full disk, a limit on file sizes, a read-only disk: no torn file, a code that is not 0, nothing paid twice.

The disks are 64 MiB tmpfs in a mount namespace, which needs root or user namespaces (`unshare`); the limit needs
neither.
"""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checks import ROOT, check_journal, check_rows, unfinished, whole_pictures, write_prompts
from tests.chaos.edit_once import WIDTH
from tests.kit.loopback import LoopbackServer

ROWS = 100
SIDE = 800  # pixels; 1.1 MB a picture, so 64 MiB hold about half of them


def namespace() -> list[str]:
    """The command before one that may mount."""
    for flags in (["--mount"], ["--map-root-user", "--mount"]):
        command = ["unshare", *flags]
        try:
            done = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            return command
    pytest.skip("mounting a disk of our own needs Linux, and root or user namespaces")


def run(scenario: str, folder: Path, latency: float = 0.2) -> tuple[dict[str, Any], int]:
    """What the scenario tells, and how many requests were paid."""
    before = namespace()
    write_prompts(folder, ROWS)
    with LoopbackServer(latency=latency, size=(SIDE, SIDE), remember=False) as server:
        command = [*before, sys.executable, "-m", "tests.chaos.disks", scenario, server.url, str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout.splitlines()[-1])
        assert "Traceback" not in facts["said"], facts["said"]
        assert facts["resumed"] == 0, facts
        print(f"{scenario}: exit code {facts['code']}, {server.requests} requests for {ROWS} rows; {facts['said']}")
        return facts, server.requests


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_disk_too_small_stops_the_run_before_it_is_full(tmp_path: Path) -> None:
    facts, requests = run("too_small", tmp_path)
    assert facts["code"] == 1
    assert "is almost full" in facts["said"]
    assert "Every finished answer is kept" in facts["said"]
    assert 20 <= facts["pictures"] < ROWS
    assert requests == ROWS


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_disk_that_takes_few_more_files_stops_the_run_before_it_takes_none(tmp_path: Path) -> None:
    facts, requests = run("few_files", tmp_path)
    assert facts["code"] == 1
    assert re.search(r"takes \d+ more files \(df -i\), and 300 are kept", facts["said"])
    assert "Every finished answer is kept" in facts["said"]
    assert 20 <= facts["pictures"] < ROWS
    assert requests == ROWS


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_answers_in_hand_outlast_a_disk_that_is_full_for_5_s(tmp_path: Path) -> None:
    facts, requests = run("freed", tmp_path)
    assert "finished answers wait in memory" in facts["said"]
    assert requests == ROWS


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_answers_that_a_full_disk_never_takes_are_counted_and_the_only_ones_paid_again(tmp_path: Path) -> None:
    facts, requests = run("not_freed", tmp_path)
    assert facts["code"] == 1
    told = re.search(r"(\d+) finished answers? held in memory could not be written", facts["said"])
    assert told is not None, facts["said"]
    assert 1 <= int(told[1]) <= WIDTH
    assert requests == ROWS + int(told[1])


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_read_only_cache_is_refused_untouched_before_anything_is_sent(tmp_path: Path) -> None:
    facts, requests = run("read_only", tmp_path)
    assert facts["code"] == 1
    assert re.search(r"error: cannot write .*Read-only file system\): choose a cache_path you may write", facts["said"])
    assert facts["untouched"]
    assert requests <= ROWS + WIDTH  # the run before it was killed


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_disk_of_pictures_that_turns_read_only_stops_the_run(tmp_path: Path) -> None:
    facts, requests = run("pictures_read_only", tmp_path)
    assert facts["code"] == 1
    told = re.search(r"(\d+) finished answers? held in memory could not be written", facts["said"])
    lost = int(told[1]) if told else 0
    assert 0 <= lost <= WIDTH
    assert requests == ROWS + lost


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_limit_on_file_sizes_stops_the_run_before_it_is_met(tmp_path: Path) -> None:
    rows, limit = 1000, 3 << 20
    prompts = write_prompts(tmp_path, rows)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with LoopbackServer(text="word " * 1000, remember=False) as server:
        command = [sys.executable, "-m", "tests.chaos.edit_once", server.url, str(tmp_path)]
        first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limited)
        sent = server.requests
        assert first.returncode == 1, first.stderr
        assert "ulimit -f: 3.1 MB) is too low" in first.stderr
        assert "Every finished answer is kept" in first.stderr
        assert 100 < sent == whole_pictures(tmp_path / "cache" / "images") < rows
        assert unfinished(tmp_path) == 0
        subprocess.run(command, cwd=ROOT, check=True)
        assert server.requests == rows
    check_journal(tmp_path, rows)
    check_rows(tmp_path, prompts)
    print(f"file-size limit: stopped after {sent} requests; {rows} for {rows} rows in all")
