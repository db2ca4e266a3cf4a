"""The one loop: shared, in a thread of its own, usable from everywhere but itself."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dataflow.core.loop import event_loop, submit
from tests.kit.flow import Ask, column, prompts_storage
from tests.kit.workers import Echo


async def where() -> tuple[str, bool]:
    return threading.current_thread().name, threading.current_thread().daemon


def test_all_threads_share_one_loop_in_a_daemon_thread() -> None:
    seen: list[asyncio.AbstractEventLoop] = []
    threads = [threading.Thread(target=lambda: seen.append(event_loop())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {event_loop()}
    assert submit(where()).result() == ("dataflow-loop", True)


def test_an_exception_reaches_whoever_waits() -> None:
    async def fails() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        submit(fails()).result()


def test_run_works_where_a_loop_already_runs_as_in_a_notebook(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])

    async def cell() -> None:
        Ask(Echo()).run(storage.step())

    asyncio.run(cell())
    assert len(column(storage, "answer")) == 2


def test_it_does_not_keep_a_script_from_ending() -> None:
    code = "from dataflow.core.loop import event_loop; event_loop()"
    done = subprocess.run([sys.executable, "-c", code], timeout=20, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
