"""A disk that takes no more: the run stops before it comes to that, and what is in hand waits in memory.

A limit on the size of files stands for the full disk; tests/chaos fills a real one.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job, Picture, Request
from dataflow.errors import NotStored
from dataflow.flow.disk_room import FLOOR, Space
from dataflow.journal.journal import Journal
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, journal_entries, prompts_storage, write_rows
from tests.kit.workers import Echo

DRAWN = Job("0a" * 16, Request("a"))
SAID = Job("0b" * 16, Request("b", makes="text"))

LIMITED = """
import os, resource, signal, sys, threading
from dataflow.scripts.run import run_script
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
from tests.kit.workers import Echo

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

class Filling(Echo):
    async def answer(self, job):
        if len(self.asked) == 40:
            {then}
        return await super().answer(job)

{first}
worker = Filling(width=4)
code = run_script(lambda: Ask(worker).run(FileStorage(sys.argv[1], cache_path=sys.argv[2]).step()))
print(len(worker.asked), len(os.listdir(sys.argv[2])))
sys.exit(code)
"""


def run_limited(tmp_path: Path, then: str = "pass", *, first: str = "") -> tuple[int, str, FileStorage]:
    """Requests sent, what it said, and the storage; then checks that it failed and left no torn line.

    Args:
        tmp_path: where it runs.
        then: what happens at the fortieth request.
        first: what happens before the run.
    """
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(500)])
    command = [sys.executable, "-c", LIMITED.replace("{then}", then).replace("{first}", first)]
    command += [storage.first_entry_file_name, storage.cache_path]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert made.returncode == 1
    assert "Traceback" not in made.stderr
    assert (tmp_path / "cache/.dataflow/journal.jsonl").read_bytes().endswith(b"}\n")
    assert not storage.step().target.exists()
    return int(made.stdout.split()[0]), made.stderr, storage.reset()


def answered(tmp_path: Path) -> int:
    return sum(entry["t"] == "got" for entry in journal_entries(tmp_path / "cache"))


def test_a_limit_that_comes_near_stops_the_run_before_anything_is_lost(tmp_path: Path) -> None:
    sent, stderr, storage = run_limited(tmp_path, first="limit(200_000)")
    assert sent == answered(tmp_path) < 500
    assert "ulimit -f: 0.2 MB) is too low" in stderr
    assert "Every finished answer is kept" in stderr
    summary = Ask(Echo()).run(storage.step())
    assert (summary.requests, summary.reused, summary.maybe_paid) == (500 - sent, sent, 0)


def test_answers_wait_in_memory_until_the_disk_takes_them(tmp_path: Path) -> None:
    raised = "limit(1000); threading.Timer(0.5, limit, [resource.RLIM_INFINITY]).start()"
    sent, stderr, storage = run_limited(tmp_path, raised)
    assert sent == answered(tmp_path) < 500
    assert "finished answers wait in memory and are written again" in stderr
    assert "Every finished answer is kept" in stderr
    summary = Ask(Echo()).run(storage.step())
    assert (summary.requests, summary.maybe_paid) == (500 - sent, 0)


def test_a_second_signal_gives_up_what_waits_in_memory_and_tells_how_many(tmp_path: Path) -> None:
    both = "[os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM)]"
    given_up = f"limit(1000); threading.Timer(0.5, lambda: {both}).start()"
    sent, stderr, storage = run_limited(tmp_path, given_up)
    lost = sent - answered(tmp_path)
    assert 1 <= lost <= 4
    many = "1 finished answer" if lost == 1 else f"{lost} finished answers"
    assert f"{many} held in memory could not be written and will be asked again" in stderr
    summary = Ask(Echo()).run(storage.step())
    assert (summary.requests, summary.maybe_paid) == (500 - sent + lost, lost)


def test_a_disk_with_too_little_room_is_refused_before_the_first_request(tmp_path: Path) -> None:
    with Journal.opened(tmp_path) as journal:
        space = Space(journal, [str(tmp_path / "pictures" / "not" / "yet")])
        assert space.refuses(DRAWN, 0) == ""
        disk = os.statvfs(tmp_path)
        space.saw(Answer(pictures=(Picture("a.png", "0", disk.f_bavail * disk.f_frsize, 1, 1),)))
        why = space.refuses(DRAWN, 3)
    assert "almost full" in why
    assert "each of 4 answers" in why


def test_what_starts_between_two_looks_is_counted(tmp_path: Path) -> None:
    with Journal.opened(tmp_path) as journal:
        space = Space(journal, ())
        assert space.refuses(SAID, 0) == ""
        disk = os.statvfs(tmp_path)
        size = (disk.f_bavail * disk.f_frsize - FLOOR) // 20
        space.saw(Answer(pictures=(Picture("a.png", "0", size, 1, 1),)))
        allowed = next(n for n in range(100) if space.refuses(DRAWN, n))
    assert 15 <= allowed <= 21


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_request(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Journal.opened(tmp_path) as journal:
        why = Space(journal, [str(tmp_path / "file" / "x")]).refuses(SAID, 0)
    assert why == f"{tmp_path / 'file'} cannot be written to: choose a folder you may write"


def test_a_row_that_cannot_be_written_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "long": "x" * 100_000} for n in range(60)]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
        with pytest.raises(NotStored, match=r"cannot write .*step1\.jsonl: File too large; free some space"):
            Ask(Echo()).run(storage.step())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert answered(tmp_path) == Ask(Echo()).run(storage.reset().step()).reused
