"""kill -9 while a language model that answers badly writes: nothing journalled is paid again, the mix is met."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dataflow.taxonomy.taxonomy import shipped_taxonomy
from tests.chaos.test_kill import ROOT, Killer, in_flight, journal
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.scribe import Scribe


class KillingScribe(Scribe):
    """Kills its client when the n-th request of all runs arrives, a few milliseconds later."""

    def __init__(self, killer: Killer) -> None:
        super().__init__()
        self._killer = killer

    def act(self, asked: Asked) -> Act:
        self._killer.act(asked)
        return super().act(asked)


def write_and_kill(folder: Path, rows: int, kills: int) -> None:
    killer = Killer(sorted(random.Random(rows).sample(range(5, rows), kills)), seed=rows)
    scribe = KillingScribe(killer)
    lost_in_flight, seen = 0, 0
    with LoopbackServer(latency=0.02, act_for=scribe.act, remember=False) as server:
        command = [sys.executable, "-m", "tests.chaos.write_prompts", server.url, str(folder), str(rows)]
        runs = 0
        while True:
            runs += 1
            killer.process = subprocess.Popen(command, cwd=ROOT)
            code = killer.process.wait()
            if code == 0:
                break
            assert code == -9
            lines = journal(folder)
            lost_in_flight += in_flight(lines[seen:])
            seen = len(lines)
        killed, requests = (folder / "cache/dataflow_cache_step_step1.jsonl").read_bytes(), server.requests
        whole = [*command[:-2], str(folder / "whole"), str(rows)]
        assert subprocess.run(whole, cwd=ROOT).returncode == 0
    assert runs > kills / 2
    assert killed == (folder / "whole/cache/dataflow_cache_step_step1.jsonl").read_bytes()
    answered = [line["id"] for line in journal(folder) if line["t"] == "got"]
    assert len(answered) == len(set(answered)), "a journalled answer was asked again"
    assert requests - len(answered) <= lost_in_flight
    mix = Counter(json.loads(line)["sub_type"] for line in killed.splitlines())
    shares = shipped_taxonomy().shares()
    meta = json.loads((folder / "cache/dataflow_cache_step_step1.meta.json").read_text(encoding="utf-8"))
    # This writer errs so often that in hundreds of rows one may use up its tries: it is then reported.
    short = Counter(meta["report"]["short"])
    assert sum(short.values()) <= rows // 100
    met = mix + short
    assert sum(met.values()) == rows
    assert max(abs(met[name] - rows * share) for name, share in shares.items()) < 1
    print(f"{runs} runs, {requests} requests for {len(answered)} answers and {rows} rows")


def test_writing_survives_kills(tmp_path: Path) -> None:
    write_and_kill(tmp_path, rows=60, kills=3)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_writing_of_500_rows_survives_30_kills(tmp_path: Path) -> None:
    write_and_kill(tmp_path, rows=500, kills=30)
