"""Measures quotas: whether they are met, how good the forecasts are, and rows a second.

python -m benchmarks.quota [--simulate 100] [--photographs 500] [--slow 4000] [--driver 100000] [--demo 80]

But for the demo nothing is drawn: the workers answer by rates and costs that are known (tests/kit/triplets.py). Rates
scatter around the priors with the weight of eight rows, retries pass .1 to .65 times as often as first tries, and the
cost of an edit varies by 30 %; the forecast knows none of it.
"""

import argparse
import math
import random
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow.core.records import NANO, Job
from dataflow.demo.judge import DRAWN_CANARIES, CheckerJudge
from dataflow.demo.prompts import DemoPromptGenerator
from dataflow.demo.truth import faults, truth_of
from dataflow.flow.summary import Summary
from dataflow.operators.core_text import EditInstructionGenerator
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageGenerator,
    TripletSynthesizer,
)
from dataflow.quota.costs import Prices
from dataflow.quota.forecast import Forecast, forecast
from dataflow.quota.next_row import Account
from dataflow.quota.quota import Quota
from dataflow.scripts.servings import make_serving
from dataflow.taxonomy.priors import prior_passes
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from dataflow.testing.pictures import plain_png
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows
from tests.kit.played_quota import PlayedQuota
from tests.kit.triplets import Hand, Looker, accept_loop, likely_world, synthesizer

WANTED, TRIES, EACH = 1_000, 3, 0.07
SHOWN_EACH = 10_000
EIGHT = ("recolour", "replace", "remove", "add", "background", "move", "resize", "compose")


@dataclass(frozen=True, slots=True)
class Played:
    """One simulated set.

    Args:
        short: accepted rows that are missing.
        over: accepted rows beyond those wanted.
        rows: that were begun.
        cost: in the currency.
        before: what was said before the first request.
        at_a_tenth: what was said when a tenth was accepted.
    """

    short: int
    over: int
    rows: int
    cost: float
    before: Forecast
    at_a_tenth: Forecast


def play(seed: int) -> Played:
    """A set of one seed."""
    shares = shipped_taxonomy().shares()
    prices = Prices(EACH * NANO, EACH * NANO)
    account = Account(Quota(WANTED), shares, prior_passes(shares), tries=TRIES, prices=prices)
    before, run = forecast(account), PlayedQuota(account, seed)
    at_a_tenth = forecast(run.until(WANTED // 10))
    run.until()
    short = sum(account.short(name) for name in account.wanted)
    over = sum(max(0, account.accepted[name] - wanted) for name, wanted in account.wanted.items())
    return Played(short, over, account.ended, account.costs.paid / NANO, before, at_a_tenth)


def simulated(seeds: int) -> None:
    """Simulate sets; print whether quotas are met, and the errors of the forecasts."""
    sets = [play(seed) for seed in range(seeds)]
    print(f"{seeds} sets of {WANTED:,} over 41 operations, {TRIES} tries")
    print(f"short: {sum(each.short for each in sets)}; over: at most {max(each.over for each in sets) / WANTED:.1%}")
    for name, said in (("before", [each.before for each in sets]), ("at a tenth", [each.at_a_tenth for each in sets])):
        near = inside = 0
        for each, of in zip(sets, said, strict=True):
            assert of.cost is not None
            near += abs(of.cost.middle / each.cost - 1) <= 0.1
            inside += of.cost.low <= each.cost <= of.cost.high
        print(f"cost said {name}: within 10 % in {near}, in the interval of 90 % in {inside}")


class Tastes(Looker):
    """A writer that prefers some operations, and some for a single photograph."""

    def choose(self, job: Job, offered: Sequence[str]) -> str:
        """Choose by preference and by chance."""
        picture = Path(job.request.images[0]).name
        weights = [
            math.exp(random.Random(name).gauss(0, 0.8) + 3 * random.Random(f"{picture} {name}").random())
            for name in offered
        ]
        return random.Random(job.id).choices(offered, weights)[0]


def photographed(wanted: int, count: int) -> None:
    """A set of photographs, and half as much again: what is short and over, and what was paid in vain."""
    world = likely_world(1)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        pictures = [home / f"{n}.png" for n in range(count)]
        for n, picture in enumerate(pictures):
            picture.write_bytes(plain_png(n.to_bytes(3), (64, 64)))
        rows = write_rows(home / "rows.jsonl", [{"images": [str(picture)]} for picture in pictures])

        def made(cache: str, accepted: int) -> Summary:
            writer = EditInstructionGenerator(Tastes(), languages=["en"])
            whole = TripletSynthesizer(writer, None, accept_loop(home, world, tries=TRIES), quota=Quota(accepted))
            return whole.run(FileStorage(rows, home / cache).step())

        more = wanted * 3 // 2
        small, large, whole = made("grown", wanted), made("grown", more), made("whole", more)
        asked = small.requests + large.requests
    print(
        f"{wanted:,} accepted of {count:,} photographs: {wanted - small.rows} short, {small.sides['surplus']} over,"
        f" {small.sides['written']:,} looks, {small.sides['tries']:,} edits; {more:,} after that: {asked:,} requests"
        f" in all, at once {whole.requests:,}"
    )


def rate(quota: Quota | None, rows: int) -> float:
    """Pictures a second at a server of 256 places, of which one in a hundred takes 50 times as long.

    Between the first fifth and the seventh tenth of them: a set's beginning and end keep no server busy.
    """
    world = likely_world(1, seconds=1.0, slow=0.01, slow_seconds=50.0, width=256)
    with TemporaryDirectory() as folder:
        made = synthesizer(Path(folder), world, quota, tries=TRIES, n=rows)
        made.run(FileStorage(cache_path=Path(folder) / "cache").step())
    hands = [worker for worker in made.workers.values() if isinstance(worker, Hand)]
    at = sorted(each for hand in hands for each in hand.done_at)
    first, last = len(at) // 5, len(at) * 7 // 10
    return (last - first) / (at[last] - at[first])


def slowed(rows: int, aheads: Sequence[int]) -> None:
    """Measure how much of a server a quota leaves idle, by the number of rows that may be open."""
    free = rate(None, rows)
    print(f"{rows:,} rows, 256 places, 1 % of the pictures 50 times as slow; without a quota {free:.0f} pictures/s")
    for ahead in aheads:
        print(f"ahead={ahead:,}: {rate(Quota(rows * 3 // 4, ahead=ahead), rows) / free:.0%} of it")


@contextmanager
def watched(hands: Sequence[Hand]) -> Iterator[None]:
    """Prints memory and CPU each 10,000 rows; the hands keep no notes, which would be memory too."""
    painter, done = hands[0], threading.Event()
    for hand in hands:
        hand.notes = False

    def watch() -> None:
        cpu, at = time.process_time(), SHOWN_EACH
        while not done.wait(0.5):
            if painter.count >= at:
                used = time.process_time() - cpu
                memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
                rate = painter.count / used
                print(f"{painter.count:,} rows: {memory} MB now, {used:.0f} s of CPU, {rate:.0f} a second", flush=True)
                at += SHOWN_EACH

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    done.set()
    thread.join()


def driven(folder: Path, rows: int) -> None:
    """Rows a second with instant workers, and memory: asked, and again from the journal."""
    for _ in range(2):
        made = synthesizer(folder, replace(likely_world(1), width=256), Quota(rows, ahead=512), tries=TRIES)
        hands = [worker for worker in made.workers.values() if isinstance(worker, Hand)]
        cpu, began = time.process_time(), time.monotonic()
        with watched(hands):
            summary = made.run(FileStorage(cache_path=folder / "cache").step())
        begun, seconds = summary.sides["written"], time.monotonic() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        cpu = time.process_time() - cpu
        print(
            f"{summary.rows:,} accepted of {begun:,} rows ({summary.requests:,} new requests) in {seconds:.0f} s:"
            f" {begun / seconds:.0f} rows/s, {begun / cpu:.0f} a second of CPU, {memory} MB at most",
            flush=True,
        )


def shown(rows: int) -> None:
    """The demo's model from nothing: ten edits of each of eight operations, held against the truth."""
    with TemporaryDirectory() as folder:
        painter, editor = (make_serving("demo", task, f"{folder}/{task}") for task in ("text2image", "imageedit"))
        judge = ImageEditJudge(CheckerJudge(), canaries=DRAWN_CANARIES)
        loop = ImageEditAcceptLoop(editor, judge, tries=2, gates=False)
        quota = Quota(rows, mix=dict.fromkeys(EIGHT, 1.0))
        writer = DemoPromptGenerator(operations=EIGHT)
        storage = FileStorage(cache_path=f"{folder}/cache")
        began = time.monotonic()
        summary = TripletSynthesizer(writer, PromptedImageGenerator(painter), loop, quota=quota).run(storage.step())
        seconds = time.monotonic() - began
        found = storage.step().read("dict")
        right = sum(faults(row["edited_images"], truth_of(row)["edited_images"], Path) == [""] for row in found)
        by = Counter(row["sub_type"] for row in found)
    print(f"{summary}\n{dict(by)}\n{right} of {len(found)} truly right, in {seconds:.0f} s")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__.partition("\n")[0])
    parser.add_argument("--simulate", type=int, metavar="SEEDS", help="play sets through without the flow")
    parser.add_argument("--photographs", type=int, metavar="ROWS", help="photographs, and a model with tastes")
    parser.add_argument("--slow", type=int, metavar="ROWS", help="a server of which some places are slow")
    parser.add_argument("--demo", type=int, metavar="ROWS", help="rows that the demo's model makes")
    parser.add_argument("--driver", type=int, metavar="ROWS", help="instant workers")
    given = parser.parse_args()
    if given.simulate:
        simulated(given.simulate)
    for count in (8, 4, 2) if given.photographs else ():
        photographed(given.photographs, given.photographs * count)
    if given.slow:
        slowed(given.slow, (8_192, 2_048))
    if given.demo:
        shown(given.demo)
    if given.driver:
        with TemporaryDirectory() as folder:
            driven(Path(folder), given.driver)


if __name__ == "__main__":
    main()
