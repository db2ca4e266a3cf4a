"""A job array of Slurm, as its tasks see it: one is told to end and put back into the queue, the others go on."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.core.shard import Shard
from dataflow.flow.summary import Summary
from dataflow.shards import merge
from tests.chaos import edit_once
from tests.chaos.checks import PICTURE, ROOT, check_rows, in_flight, write_prompts
from tests.kit.flow import flat, journal_entries
from tests.kit.loopback import Act, Asked, LoopbackServer

TASKS, ROWS = 4, 120


def begin(url: str, folder: Path, task: int) -> subprocess.Popen[str]:
    """What `srun` starts."""
    slurm = {"ID": task + 1, "COUNT": TASKS, "MIN": 1, "MAX": TASKS, "STEP": 1}
    environment = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in slurm.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.edit_once", url, str(folder)],
        env={**os.environ, **environment, "DF_SHARD": "slurm", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_is_ended_and_requeued_leaves_the_others_alone(tmp_path: Path, number: signal.Signals) -> None:
    prompts = write_prompts(tmp_path, ROWS)
    of_task_1 = {text for text in prompts if Shard(1, TASKS).has({"i": str(PICTURE), "c": text}, ["i", "c"])}
    seen: set[str] = set()
    tasks: dict[int, subprocess.Popen[str]] = {}

    def act(asked: Asked) -> Act | None:
        seen.add(asked.prompt)
        if len(seen & of_task_1) > ROWS // TASKS // 2 and 1 in tasks:
            tasks.pop(1).send_signal(number)
        return None

    with LoopbackServer(latency=0.1, act_for=act, remember=False) as server:
        begun = {task: begin(server.url, tmp_path, task) for task in range(TASKS)}
        tasks[1] = begun[1]
        said = {task: process.communicate()[0] for task, process in begun.items()}
        codes = [begun[task].returncode for task in range(TASKS)]
        assert codes == [0, 143 if number == signal.SIGTERM else -9, 0, 0], said
        cut = in_flight(journal_entries(tmp_path / "cache" / "shard-001-of-004"))
        assert cut == 0 or number == signal.SIGKILL
        again = begin(server.url, tmp_path, 1)
        words, _ = again.communicate()
        assert again.returncode == 0, words
        assert int(re.findall(r"([\d,]+) answered before", flat(words))[0]) > 0
        asked = server.requests
        assert ROWS <= asked <= ROWS + cut
        merged = merge(tmp_path / "cache")
        assert [(step.rows, step.failed) for step in merged.steps] == [(ROWS, 0)]
        check_rows(tmp_path, prompts)
        whole: Summary = edit_once.edit(server.url, tmp_path)
        assert (whole.requests, server.requests) == (0, asked)
        check_rows(tmp_path, prompts)
    answered = [entry["id"] for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]
    assert len(answered) == len({*answered}) == ROWS
