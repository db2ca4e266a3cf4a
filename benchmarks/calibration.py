"""How often a promise of `calibrate` is broken: simulated judges, samples drawn by `draw_sample`, labels by the truth.

OMP_NUM_THREADS=1 python -m benchmarks.calibration --out FOLDER [--sets 400]

A judge's lowest axis correlates by `rho` with an edit's quality; an edit is good if its quality is above a limit. Its
number is whole, so that many are equal. A promise is broken if of all edits that such a judge would put at or above the
promised threshold, fewer are good than was promised.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import orjson
from numpy.typing import NDArray

from dataflow.calibration.joining import Joined, join
from dataflow.calibration.labels import NO, YES, Label
from dataflow.calibration.sampling import draw_sample
from dataflow.calibration.thresholds import search_threshold

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
    """

    rho: float
    steps: int = 10
    good: float = GOOD

    def judged(self, edits: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The lowest axis of each edit, and whether it is good."""
        random = np.random.default_rng(seed)
        quality = random.standard_normal(edits)
        seen = self.rho * quality + math.sqrt(1 - self.rho**2) * random.standard_normal(edits)
        low = 10 / (1 + np.exp(-1.7 * (seen + 0.8)))
        is_good = quality > NormalDist().inv_cdf(1 - self.good)
        return np.round(low * self.steps / 10) * 10 / self.steps, is_good

    def precision(self) -> dict[float, float]:
        """The share of good edits at or above each number, of very many."""
        low, is_good = self.judged(_MANY, 0)
        return {float(at): float(is_good[low >= at].mean()) for at in np.unique(low)}


@dataclass(frozen=True, slots=True)
class Pool:
    """A cache directory of judged edits, and the truth about them, by file name."""

    path: Path
    good: dict[str, bool]

    def labelled(self, count: int, seed: int, *, uniform: bool = False) -> Joined:
        """A sample of it, labelled by the truth."""
        drawn = draw_sample(self.path, count=count, seed=seed, uniform=uniform)
        labels = [
            Label(each.picture, YES if self.good[Path(each.file).name] else NO, path=each.edit.path, sample=each.sample)
            for each in drawn.showings
            if each.shown == 1
        ]
        return join(labels, self.path)


def made_pool(folder: Path, judge: SimulatedJudge, seed: int, edits: int = EDITS) -> Pool:
    """Judged edits in a folder; what stands for their pictures are a few bytes, each others."""
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
    """Of many sets of labels.

    Args:
        found: for how many a threshold was promised.
        broken: promises that were not kept.
        plug_in: how often the lowest threshold at which the labels' own share reaches the promise breaks it.
    """

    found: int = 0
    broken: int = 0
    plug_in: int = 0

    def add(self, joined: Joined, truth: Mapping[float, float], precision: float) -> None:
        """Calibrate by one more set."""
        search = search_threshold(joined, precision=precision, confidence=0.9)
        if search.found is not None:
            self.found += 1
            self.broken += truth[nearest(truth, search.found.at)] < precision
        naive = [each.at for each in search.tested if each.accepted and 1 - each.bad / each.accepted >= precision]
        self.plug_in += bool(naive) and truth[nearest(truth, min(naive))] < precision


def kept(
    pools: Sequence[Pool], truth: Mapping[float, float], *, count: int, sets: int, uniform: bool = False
) -> dict[float, Kept]:
    """Draw, label and calibrate many times; by the precision that is promised."""
    found = {precision: Kept() for precision in PRECISIONS}
    for seed in range(sets):
        joined = pools[seed % len(pools)].labelled(count, seed, uniform=uniform)
        for precision, each in found.items():
            each.add(joined, truth, precision)
    return found


def nearest(truth: Mapping[float, float], at: float) -> float:
    """The number that a judge gives which a threshold lets through first."""
    return min(each for each in truth if each >= at)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("cache_local/calibration"), help="folder of simulated edits")
    parser.add_argument("--sets", type=int, default=400, help="of labels, for each line (default %(default)s)")
    parser.add_argument("--uniform", action="store_true", help="draw all edits alike, and promise lower thresholds too")
    given = parser.parse_args()
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
