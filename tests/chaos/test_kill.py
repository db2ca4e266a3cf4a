"""kill -9 at random points, resumed until done: nothing that was journalled is paid again."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.drawing import mark_of, read_mark
from tests.loopback import Act, Asked, LoopbackServer

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "example_data/image_gen/image_edit/image8.png"


class Killer:
    """Kills the client when its n-th request of all runs arrives, a few milliseconds later."""

    def __init__(self, points: list[int], seed: int) -> None:
        self.points = points
        self.random = random.Random(seed)
        self.seen = 0
        self.process: subprocess.Popen[bytes] | None = None

    def act(self, asked: Asked) -> Act | None:
        import asyncio

        self.seen += 1
        if self.points and self.seen >= self.points[0]:
            del self.points[0]
            assert self.process is not None
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.04), self.process.kill)
        return None


def journal(folder: Path) -> list[dict[str, str]]:
    """The whole lines of the journal; a torn tail is left out."""
    path = folder / "cache/.dataflow/journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def in_flight(lines: list[dict[str, str]]) -> int:
    """How many requests these lines of one run start and do not end."""
    started = {line["id"] for line in lines if line["t"] == "start"}
    return len(started - {line["id"] for line in lines if line["t"] in ("got", "fail")})


def kill_until_done(folder: Path, rows: int, kills: int, seed: int) -> None:
    prompts = [f"Paint wall {number}." for number in range(rows)]
    lines = [json.dumps({"images": str(PICTURE), "conversations": prompt}) + "\n" for prompt in prompts]
    (folder / "rows.jsonl").write_text("".join(lines))
    killer = Killer(sorted(random.Random(seed).sample(range(1, 2 * rows), kills)), seed)
    lost_in_flight, runs, seen = 0, 0, 0
    with LoopbackServer(latency=0.02, act_for=killer.act, remember=False) as server:
        command = [sys.executable, "-m", "tests.chaos.edit_twice", server.url, str(folder)]
        while True:
            runs += 1
            killer.process = subprocess.Popen(command, cwd=ROOT)
            code = killer.process.wait()
            if code == 0:
                break
            assert code == -9
            lines_now = journal(folder)
            lost_in_flight += in_flight(lines_now[seen:])
            seen = len(lines_now)
        requests = server.requests
    written = journal(folder)
    starts = Counter(line["id"] for line in written if line["t"] == "start")
    answered: set[str] = set()
    for line in written:
        if line["t"] == "start":
            assert line["id"] not in answered, "a journalled answer was asked again"
        elif line["t"] == "got":
            answered.add(line["id"])
    assert len(answered) == 2 * rows
    assert runs > kills / 2
    assert sum(starts.values()) - 2 * rows <= lost_in_flight
    assert requests <= sum(starts.values())
    print(f"{runs} runs, {requests} requests for {2 * rows} answers, {lost_in_flight} in flight at the kills")
    check_results(folder, prompts)


def check_results(folder: Path, prompts: list[str]) -> None:
    rows = [json.loads(line) for line in (folder / "cache/dataflow_cache_step_step2.jsonl").read_text().splitlines()]
    assert [row["conversations"] for row in rows] == prompts
    for row in rows:
        (draft,), (edited,) = row["draft"], row["edited_images"]
        assert read_mark(draft) == mark_of(row["conversations"], [PICTURE.read_bytes()])
        assert read_mark(edited) == mark_of(row["conversations"], [Path(draft).read_bytes()])


def test_two_chained_operators_survive_kills(tmp_path: Path) -> None:
    kill_until_done(tmp_path, rows=20, kills=4, seed=7)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_two_chained_operators_of_300_rows_survive_50_kills(tmp_path: Path) -> None:
    kill_until_done(tmp_path, rows=300, kills=50, seed=20)
