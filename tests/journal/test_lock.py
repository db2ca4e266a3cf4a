"""Who holds a cache directory, seen from outside and without touching its lock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.errors import CacheBusy
from dataflow.journal.lock import FolderLock, Holder, see_holder

HOLD = """
import sys
from pathlib import Path
from dataflow.journal.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]) / "lock")
print("held", flush=True)
sys.stdin.read()
"""


def seen(folder: Path) -> Holder:
    holder = see_holder(folder / "lock")
    assert holder is not None
    return holder


def test_a_folder_that_nobody_held_has_no_holder(tmp_path: Path) -> None:
    assert see_holder(tmp_path / "lock") is None
    (tmp_path / "lock").write_bytes(b"")
    assert see_holder(tmp_path / "lock") is None


def test_it_works_while_held_and_pauses_when_released(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    assert seen(tmp_path) == Holder(os.getpid(), here=True, works=True, paused=False, killed=False)
    with pytest.raises(CacheBusy, match=rf"in use by process {os.getpid()}: wait for it"):
        FolderLock(tmp_path / "lock")
    assert seen(tmp_path).works
    lock.release()
    assert seen(tmp_path) == Holder(os.getpid(), here=True, works=False, paused=True, killed=False)


def test_a_process_that_was_killed_is_seen_at_once_and_not_yet_buried(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert seen(tmp_path) == Holder(process.pid, here=True, works=True, paused=False, killed=False)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
        assert seen(tmp_path) == Holder(process.pid, here=True, works=False, paused=False, killed=True)
    finally:
        process.kill()
        process.communicate()
    assert seen(tmp_path).killed


def test_a_silent_process_of_whatever_machine_is_taken_for_dead_until_it_beats(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    file = tmp_path / "lock"
    hour_ago = file.stat().st_mtime - 3600
    os.utime(file, (hour_ago, hour_ago))
    assert seen(tmp_path).killed
    lock.beat()
    assert seen(tmp_path).works
    lock.release()
    os.utime(file, (hour_ago, hour_ago))
    assert seen(tmp_path) == Holder(os.getpid(), here=True, works=False, paused=False, killed=False)


def test_a_pid_of_another_machine_is_judged_by_its_beats_alone(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999 another-machine ")
    assert seen(tmp_path) == Holder(999999999, here=False, works=True, paused=False, killed=False)
    (tmp_path / "lock").write_text("999999999 another-machine released")
    assert seen(tmp_path) == Holder(999999999, here=False, works=False, paused=True, killed=False)


def test_the_lock_of_an_older_version_does_not_say_that_it_was_killed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999")
    assert seen(tmp_path) == Holder(999999999, here=True, works=False, paused=False, killed=False)
