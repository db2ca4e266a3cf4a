"""Who holds a cache directory, seen from outside and without touching its lock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.errors import CacheBusy
from dataflow.journal.lock import FolderLock, Holder, see_holder, this_process

HOLD = """
import sys
from pathlib import Path
from dataflow.journal.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]) / "lock")
print("held", flush=True)
sys.stdin.read()
"""


def holder(
    process: str, *, here: bool = True, works: bool = False, paused: bool = False, killed: bool = False
) -> Holder:
    return Holder(process, int(process.split()[0]), here=here, works=works, paused=paused, killed=killed)


def beside_this(pid: int) -> str:
    """The name of another process of this machine."""
    return f"{pid} {this_process().split()[1]}"


def seen(folder: Path) -> Holder:
    found = see_holder(folder / "lock")
    assert found is not None
    return found


def test_a_folder_that_nobody_held_has_no_holder(tmp_path: Path) -> None:
    assert see_holder(tmp_path / "lock") is None
    (tmp_path / "lock").write_bytes(b"")
    assert see_holder(tmp_path / "lock") is None


def test_it_works_while_held_and_pauses_when_released(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    assert seen(tmp_path) == holder(this_process(), works=True)
    with pytest.raises(CacheBusy, match=rf"in use by process {os.getpid()}: wait for it"):
        FolderLock(tmp_path / "lock")
    assert seen(tmp_path).works
    lock.release()
    assert seen(tmp_path) == holder(this_process(), paused=True)


def test_a_process_that_was_killed_is_seen_at_once_and_not_yet_buried(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert seen(tmp_path) == holder(beside_this(process.pid), works=True)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
        assert seen(tmp_path) == holder(beside_this(process.pid), killed=True)
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
    assert seen(tmp_path) == holder(this_process())


def test_a_pid_of_another_machine_is_judged_by_its_beats_alone(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999 another-machine ")
    assert seen(tmp_path) == holder("999999999 another-machine", here=False, works=True)
    (tmp_path / "lock").write_text("999999999 another-machine released")
    assert seen(tmp_path) == holder("999999999 another-machine", here=False, paused=True)


def test_the_lock_of_an_older_version_does_not_say_that_it_was_killed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999")
    assert seen(tmp_path) == holder("999999999")
