"""Measures how often a promise of `calibrate` is broken, with simulated judges and labels by the truth.

OMP_NUM_THREADS=1 python -m benchmarks.calibration --out FOLDER [--sets 400] [--corners]

A judge's lowest axis correlates by `rho` with an edit's quality; an edit is good if its quality is above a limit. Its
number is whole, so that many are equal. A promise is broken if of all edits that such a judge would put at or above the
promised threshold, fewer are good than was promised.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import orjson
from numpy.typing import NDArray

from dataflow.calibration.joining import Joined, join
from dataflow.calibration.labels import NO, YES, Label
from dataflow.calibration.sampling import draw_sample
from dataflow.calibration.thresholds import carried, search_threshold

GOOD = 0.7
EDITS = 600
POOLS = 20
PRECISIONS = (0.8, 0.9)
_MANY = 400_000


@dataclass(frozen=True, slots=True)
class SimulatedJudge:
    """A judge whose numbers correlate with quality.

    Args:
        rho: with an edit's quality, before rounding.
        steps: numbers between 0 and 10: 10 are whole ones.
        good: share of good edits.
        of_picture: edits of each source picture.
        alike: correlation of their quality, and of what the judge takes them for.
    """

    rho: float
    steps: int = 10
    good: float = GOOD
    of_picture: int = 1
    alike: float = 0.0

    def judged(self, edits: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Draw edits: the lowest axis of each, and whether it is good."""
        random = np.random.default_rng(seed)
        quality, noise = self._drawn(random, edits), self._drawn(random, edits)
        seen = self.rho * quality + math.sqrt(1 - self.rho**2) * noise
        low = 10 / (1 + np.exp(-1.7 * (seen + 0.8)))
        is_good = quality > NormalDist().inv_cdf(1 - self.good)
        return np.round(low * self.steps / 10) * 10 / self.steps, is_good

    def _drawn(self, random: np.random.Generator, edits: int) -> NDArray[np.float64]:
        """A normally distributed number for each edit; edits of one picture follow each other."""
        own = random.standard_normal(edits)
        if self.of_picture == 1:
            return own
        shared = np.repeat(random.standard_normal(-(-edits // self.of_picture)), self.of_picture)[:edits]
        return math.sqrt(self.alike) * shared + math.sqrt(1 - self.alike) * own

    def precision(self) -> dict[float, float]:
        """The share of good edits at or above each number, over very many edits."""
        low, is_good = self.judged(_MANY, 0)
        return {float(at): float(is_good[low >= at].mean()) for at in np.unique(low)}


@dataclass(frozen=True, slots=True)
class Pool:
    """A cache directory of judged edits, and the truth about each edit by file name."""

    path: Path
    good: dict[str, bool]

    def labelled(self, count: int, seed: int, *, uniform: bool = False) -> Joined:
        """Draw a sample of the pool, and label it by the truth."""
        return join(self._labels(count, seed, uniform=uniform), self.path)

    def labelled_twice(self, count: int, seed: int) -> Joined:
        """Draw a sample by the threshold, then a uniform sample, in which many edits are labelled already."""
        labels: dict[str, Label] = {}
        for uniform in (False, True):
            for each in self._labels(count, seed, uniform=uniform):
                before = labels.get(each.picture)
                labels[each.picture] = each if before is None else replace(each, also=before.samples)
        return join([*labels.values()], self.path)

    def _labels(self, count: int, seed: int, *, uniform: bool) -> list[Label]:
        drawn = draw_sample(self.path, count=count, seed=seed, uniform=uniform, twice=0)
        return [
            Label(each.picture, YES if self.good[Path(each.file).name] else NO, path=each.edit.path, sample=each.sample)
            for each in drawn.showings
        ]


def made_pool(folder: Path, judge: SimulatedJudge, seed: int, edits: int = EDITS) -> Pool:
    """Write judged edits into a folder; a few different bytes stand for each picture."""
    folder.mkdir(parents=True, exist_ok=True)
    low, is_good = judge.judged(edits, seed)
    path = folder / "set_step1.tries.jsonl"
    with path.open("wb") as file:
        for number, at in enumerate(low.tolist()):
            picture = folder / f"{number}.png"
            picture.write_bytes(b"%d" % number)
            verdict = {"accepted": at >= 7, "axes": {"following": at, "preservation": 10}, "judge": "j", "rubric": "r"}
            file.write(orjson.dumps({"edited_images": [str(picture)], "verdict": verdict}) + b"\n")
    return Pool(path, {f"{number}.png": bool(each) for number, each in enumerate(is_good)})


@dataclass(slots=True)
class Kept:
    """Results over many sets of labels.

    Args:
        found: for how many a threshold was promised.
        broken: promises that were not kept.
        plug_in: how often the lowest threshold at which the labels' own share reaches the promise breaks it.
        lowered: promises that were not kept, where the precision is lowered afterwards until one can be given.
    """

    found: int = 0
    broken: int = 0
    plug_in: int = 0
    lowered: int = 0

    def add(self, joined: Joined, truth: Mapping[float, float], precision: float) -> None:
        """Calibrate by one more set of labels, and count the result."""
        search = search_threshold(joined, precision=precision, confidence=0.9)
        if search.found is not None:
            self.found += 1
            self.broken += truth[nearest(truth, search.found.at)] < precision
            self.lowered += truth[nearest(truth, search.found.at)] < precision
        elif (less := carried(joined, below=precision, confidence=0.9)) is not None:
            self.lowered += truth[nearest(truth, less[1].at)] < less[0]
        naive = [each.at for each in search.tested if each.accepted and 1 - each.bad / each.accepted >= precision]
        self.plug_in += bool(naive) and truth[nearest(truth, min(naive))] < precision


def kept(
    pools: Sequence[Pool], truth: Mapping[float, float], *, count: int, sets: int, uniform: bool = False
) -> dict[float, Kept]:
    """Draw, label and calibrate many times; returns the results by promised precision."""
    found = {precision: Kept() for precision in PRECISIONS}
    for seed in range(sets):
        joined = pools[seed % len(pools)].labelled(count, seed, uniform=uniform)
        for precision, each in found.items():
            each.add(joined, truth, precision)
    return found


def nearest(truth: Mapping[float, float], at: float) -> float:
    """The lowest number of a judge that reaches a threshold."""
    return min(each for each in truth if each >= at)


def print_corners(folder: Path, sets: int) -> None:
    """Print hard cases: judges that just miss the promise, correlated edits, and labels of two samples in one file."""
    miss = replace(SimulatedJudge(0.0, good=0.895), alike=0.8)
    clustered = replace(miss, of_picture=6)
    cases = {
        "each of its own picture": (miss, 600, 100, False),
        "600 edits of 100 pictures": (clustered, 600, 100, False),
        "200 edits of 33 pictures, all labelled": (clustered, 200, 200, False),
        "two samples": (miss, 400, 100, True),
        "two samples, a judge worse than chance": (replace(miss, rho=-0.3), 400, 100, True),
        "two samples, rho 0.65, 90 % good": (SimulatedJudge(0.65, good=0.9), 400, 100, True),
    }
    print("| case | promised | at a threshold | broken | lowered until given: broken |\n|---|---|---|---|---|")
    for name, (judge, edits, count, twice) in cases.items():
        truth, found = judge.precision(), {precision: Kept() for precision in PRECISIONS}
        alike = judge.of_picture > 1  # then pools differ more than samples of one
        pools = [made_pool(folder / f"{name}/{at}", judge, at + 1, edits) for at in range(sets if alike else POOLS)]
        for seed in range(sets):
            pool = pools[seed % len(pools)]
            joined = pool.labelled_twice(count, seed) if twice else pool.labelled(count, seed)
            for precision, each in found.items():
                each.add(joined, truth, precision)
        for precision, each in found.items():
            shares = " | ".join(f"{some / sets:.3f}" for some in (each.found, each.broken, each.lowered))
            print(f"| {name} | {precision} | {shares} |", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("cache_local/calibration"), help="folder of simulated edits")
    parser.add_argument("--sets", type=int, default=400, help="of labels, for each line (default %(default)s)")
    parser.add_argument("--uniform", action="store_true", help="draw all edits alike, and promise lower thresholds too")
    parser.add_argument("--corners", action="store_true", help="instead: edits of few pictures, two samples in a file")
    given = parser.parse_args()
    if given.corners:
        print_corners(given.out / "corners", given.sets)
        return
    print("| rho | labels | promised | at a threshold | broken | plug-in broken |\n|---|---|---|---|---|---|")
    for rho in (0.45, 0.65, 0.85):
        judge = SimulatedJudge(rho)
        truth = judge.precision()
        pools = [made_pool(given.out / f"{rho}/{seed}", judge, seed + 1) for seed in range(POOLS)]
        for count in (50, 100, 200, 400):
            for precision, each in kept(pools, truth, count=count, sets=given.sets, uniform=given.uniform).items():
                shares = " | ".join(f"{some / given.sets:.3f}" for some in (each.found, each.broken, each.plug_in))
                print(f"| {rho} | {count} | {precision} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
