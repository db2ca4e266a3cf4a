"""The one loop: shared, in a thread of its own, usable from everywhere but itself."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.loop import event_loop, submit
from tests.kit.flow import Ask, column, prompts_storage
from tests.kit.workers import WAIT, Echo


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


def stand_still(seconds: float, meanwhile: Callable[[], object]) -> None:
    """What a stopped process looks like to its loop: nothing runs for a while, and then something has happened."""
    event_loop().call_soon_threadsafe(meanwhile)
    event_loop().call_soon_threadsafe(time.sleep, seconds)


def test_what_arrives_while_the_process_stands_still_is_read_before_the_time_is_up() -> None:
    ours, theirs = socket.socketpair()

    async def read() -> list[bytes]:
        reader, writer = await asyncio.open_connection(sock=ours)
        async with asyncio.timeout(1):
            stand_still(2.2, lambda: theirs.sendall(b"one\ntwo\n"))
            lines = [await reader.readline()]
            await asyncio.sleep(0.1)  # a reply is read in several turns of the loop
            lines.append(await reader.readline())
        writer.close()
        return lines

    with theirs:
        assert submit(read()).result(WAIT) == [b"one\n", b"two\n"]


def test_who_never_answers_is_out_of_time_however_long_the_process_stood_still() -> None:
    async def wait() -> float:
        loop, began = asyncio.get_running_loop(), time.monotonic()
        stand_still(2.2, lambda: None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await loop.create_future()
        return time.monotonic() - began

    assert 2.2 <= submit(wait()).result(WAIT) < 2.2 + 0.5 + 2


def test_the_clock_leaves_out_what_was_lost_and_no_more() -> None:
    async def now() -> tuple[float, float]:
        await asyncio.sleep(0)
        return asyncio.get_running_loop().time(), time.monotonic()

    loop_before, before = submit(now()).result(WAIT)
    stand_still(1.2, lambda: None)
    loop_after, after = submit(now()).result(WAIT)
    assert after - before >= 1.2
    assert loop_after - loop_before == pytest.approx(after - before - 1.2, abs=0.2)
