"""The ledger against the server's own bill, over retries, refusals, broken replies and kill -9: the server is right.

A request that was cut off may or may not be on the bill; it stays reserved, so what the server charges lies between
what the journal knows and what it holds for possible, row by row, and is equal where nothing was cut off.
"""

import asyncio
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from fractions import Fraction
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import NANO
from dataflow.journal.journal import Journal
from tests.chaos import edit_paid
from tests.chaos.checks import ROOT, journal, write_prompts
from tests.chaos.forking import begin
from tests.kit.billing import Bill
from tests.kit.loopback import Act, Asked, LoopbackServer

USAGE = {"prompt_tokens": 280, "completion_tokens": 40, "total_tokens": 320}
REFUSAL = {"choices": [{"message": {"content": "no"}, "finish_reason": "content_filter"}], "usage": USAGE}
DAMAGED = {"images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}
BROKEN = {"choices": [{"message": DAMAGED, "finish_reason": "stop"}], "usage": USAGE}


class Apart:
    """A run in a process of its own."""

    def __init__(self, url: str, folder: Path, limit: float) -> None:
        with (folder / "said.txt").open("a", encoding="utf-8") as said:
            command = [sys.executable, "-m", "tests.chaos.edit_paid", url, str(folder), str(limit)]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        self.exitcode = self._process.wait()


class Trouble:
    """What goes wrong with a row follows from its number, at most once each; and kills at random points."""

    def __init__(self, kills: int, rows: int) -> None:
        self.random = random.Random(rows)
        self.points = sorted(self.random.sample(range(4, rows - 8), kills))
        self.process: Apart | ForkServerProcess | None = None
        self.seen: Counter[str] = Counter()

    def act(self, asked: Asked) -> Act | None:
        times = self.seen[asked.prompt]
        self.seen[asked.prompt] += 1
        if self.process is not None and self.points and len(self.seen) >= self.points[0]:
            del self.points[0]
            process, self.process = self.process, None
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.04), process.kill)
        number = int("".join(filter(str.isdigit, asked.prompt)))
        if number % 7 == 3:
            return Act(body=REFUSAL)
        if times == 0:
            return {
                1: Act(503, {"error": {"message": "in trouble"}}),
                2: Act(429, {"error": {"message": "slow down"}}, headers={"retry-after-ms": "5"}),
                4: Act(body=BROKEN),
                5: Act(cut=200, clean=True),
            }.get(number % 9)
        return None


Sums = dict[str, Fraction]


def sum_up(folder: Path) -> tuple[Sums, Sums]:
    """By request id: what its attempts cost, and what those without a known cost may have cost at most."""
    known: dict[str, Fraction] = defaultdict(Fraction)
    possible: dict[str, Fraction] = defaultdict(Fraction)
    begun: dict[str, Fraction] = {}
    for line in journal(folder):
        if line["t"] == "start":
            possible[line["id"]] += begun.get(line["id"], Fraction())
            begun[line["id"]] = Fraction(str(line["most"]))
        elif line["t"] in ("got", "fail"):
            most = begun.pop(line["id"])
            if line.get("cost", 0) is None:
                possible[line["id"]] += most
            else:
                known[line["id"]] += Fraction(str(line.get("cost", 0)))
    for request, most in begun.items():
        possible[request] += most
    return known, possible


def check_bill(folder: Path, bill: Bill) -> str:
    """Compare the journal with the server's bill; returns the figures."""
    known, possible = sum_up(folder)
    with Journal.opened(folder / "cache") as opened:
        money = opened.index.money
    spent, unsure = Fraction(money.spent, NANO), Fraction(money.unsure + money.reserved, NANO)
    assert spent == sum(known.values(), Fraction())
    assert unsure == sum(possible.values(), Fraction())
    assert spent <= bill.total() <= spent + unsure
    if not unsure:
        assert spent == bill.total()
    return f"{float(bill.total()):.6f} on the bill, {float(spent):.6f} known, up to {float(unsure):.6f} more"


def check_rows(folder: Path, prompts: list[str], bill: Bill) -> int:
    """Row by row, for those with a picture: equal unless something was cut off; returns how many were equal."""
    known, possible = sum_up(folder)
    charged: dict[str, Fraction] = defaultdict(Fraction)
    for item in bill.items:
        charged[item.prompt] += item.cost
    equal = 0
    for line in (folder / "cache/dataflow_cache_step_step1.jsonl").read_text().splitlines():
        row = orjson.loads(line)
        for path in row["edited_images"]:
            request = Path(path).stem.rpartition("_")[0]
            low = known[request]
            assert low <= charged[row["conversations"]] <= low + possible[request]
            equal += not possible[request]
    return equal


def fork(url: str, folder: Path, limit: float) -> ForkServerProcess:
    return begin(edit_paid.forked, url, folder, limit)


def money_run(
    folder: Path,
    rows: int,
    kills: int,
    limits: list[float],
    start: Callable[[str, Path, float], Apart | ForkServerProcess],
) -> str:
    """Run under each limit in turn, killed on the way, until the last lets it end."""
    prompts = write_prompts(folder, rows)
    trouble = Trouble(kills, rows)
    figures = []
    with LoopbackServer(latency=0.02, act_for=trouble.act, remember=False, bill=Bill("5", "40")) as server:
        assert server.bill is not None
        for limit in limits:
            code: int | None = -9
            while code == -9:
                process = start(server.url, folder, limit)
                trouble.process = process
                process.join()
                code = process.exitcode
                assert server.bill.total() <= Fraction(limit)
            assert code == (3 if limit == limits[-1] else 1), (folder / "said.txt").read_text()
            figures.append(check_bill(folder, server.bill))
        assert not trouble.points
        equal = check_rows(folder, prompts, server.bill)
        assert equal >= rows / 3
    assert "run again with max_cost" in (folder / "said.txt").read_text()
    return "; ".join([*figures, f"{equal} rows equal"])


@pytest.mark.timeout(240)
def test_the_bill_is_the_ledgers_and_the_limit_is_never_passed(tmp_path: Path) -> None:
    print(money_run(tmp_path, rows=60, kills=1, limits=[1.5, 20], start=Apart))


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_the_bill_of_600_rows_over_30_kills(tmp_path: Path) -> None:
    print(money_run(tmp_path, rows=600, kills=30, limits=[2, 9, 20, 200], start=fork))
