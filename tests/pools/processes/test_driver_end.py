"""One process as the driver sees it: replies find their calls, and its end is known and explained."""

import asyncio
import os
import pickle
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dataflow.core.worker import Placement
from dataflow.pools.processes.driver_end import ChildProcess, ProcessEnded
from dataflow.pools.processes.worker_end import READY
from tests.kit.apart import Apart
from tests.kit.in_processes import parts
from tests.kit.sinks import jobs


def with_process(folder: Path, test: Callable[[ChildProcess], Awaitable[None]]) -> ChildProcess:
    """Run a test on a process that has loaded an `Apart`; the process, which has ended."""

    async def run() -> ChildProcess:
        process = await ChildProcess.launch()
        try:
            assert await process.ask(pickle.dumps(Apart(str(folder), placement=Placement(("only",))))) == READY
            await test(process)
        finally:
            await process.end()
        return process

    return asyncio.run(run())


async def ask(process: ChildProcess, *prompts: str, part: int = 0) -> list[str]:
    answers = await process.ask(pickle.dumps(jobs(prompts)))
    assert isinstance(answers, list)
    return parts(answers, part)


def test_each_reply_finds_its_call_whichever_ends_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def test(process: ChildProcess) -> None:
        waits = asyncio.create_task(ask(process, "meet"))
        assert await ask(process, "warm", "b") == ["warm", "b"]
        assert not waits.done()
        assert await ask(process, "meet") == ["meet"]
        assert await waits == ["meet"]
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await ask(process, "raise")
        assert await ask(process, "c") == ["c"], "an error ends its own call only"

    process = with_process(tmp_path, test)
    assert (process.runs, process.ended_by_us, process.ending) == (False, True, "exit code 0")
    assert process.printed == "loading ('only',)\nclosing ('only',)"
    assert process.printed in capsys.readouterr().err, "its output is passed on"


def test_the_death_of_a_process_ends_its_calls_and_says_how_it_died(tmp_path: Path) -> None:
    async def test(process: ChildProcess) -> None:
        staying = asyncio.create_task(ask(process, "stay"))
        (pid,) = await ask(process, "a", part=2)
        os.kill(int(pid), signal.SIGKILL)
        with pytest.raises(ProcessEnded):
            await staying
        assert not process.runs
        with pytest.raises(ProcessEnded):
            await ask(process, "c")

    process = with_process(tmp_path, test)
    assert process.ending == "killed by SIGKILL"
