"""What counts can say: exact binomial tails and intervals, agreement, and intervals of it by the bootstrap.

Weights make a drawn sample stand for the whole that it was drawn from: each label counts as often as there are edits
for one that was drawn. All that is random follows from a seed.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataflow.core.shares import Interval, share_of

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

DRAWS = 2000


class Figure(NamedTuple):
    """A figure, and between which ones the true one lies; not a number where it cannot be told."""

    value: float
    low: float
    high: float


def at_most(some: int, total: int, share: float) -> float:
    """The probability that at most `some` of `total` are hit, each with probability `share`."""
    if some >= total or share <= 0:
        return 1.0
    if some < 0 or share >= 1:
        return 0.0
    hit = np.arange(some + 1)
    logs = _log_ways(total, some) + hit * math.log(share) + (total - hit) * math.log1p(-share)
    return min(1.0, math.fsum(np.exp(logs)))


@lru_cache(maxsize=256)
def _log_ways(total: int, most: int) -> Floats:
    """Of 0 to `most` out of `total`; from whole numbers, since sums of logarithms lose digits."""
    ways, logs = 1, [0.0]
    for some in range(most):
        ways = ways * (total - some) // (some + 1)
        logs.append(math.log(ways))
    return np.array(logs)


def corrected_share(parts: Sequence[tuple[float, int, int]], *, confidence: float = 0.95) -> Interval:
    """The share of good ones in a whole of which every part was sampled for itself: what a judge accepts, and not.

    It is the accepted share p corrected for the judge's errors, (p + q0 - 1) / (q0 + q1 - 1) with q0 of the bad ones
    rejected and q1 of the good ones accepted, by these labels; and it needs no judge better than chance.
    Sources: W. J. Rogan and B. Gladen, 1978, https://doi.org/10.1093/oxfordjournals.aje.a112510; of judges of models,
    https://arxiv.org/abs/2511.21140; the interval of G. Y. Zou and A. Donner, 2008, https://doi.org/10.1002/sim.3095:
    Wilson's of the parts, whose distances from the shares add like standard deviations.

    Args:
        parts: of each the share of the whole that it is, the good ones labelled, and all labelled.
        confidence: how often the interval holds the true share.
    """
    shares = [(weight, share_of(some, total, confidence=confidence)) for weight, some, total in parts]
    middle = math.fsum(weight * each.share for weight, each in shares)
    below = math.hypot(*(weight * (each.share - each.low) for weight, each in shares))
    above = math.hypot(*(weight * (each.high - each.share) for weight, each in shares))
    return Interval(middle, max(0.0, middle - below), min(1.0, middle + above))


def kappa(one: ArrayLike, other: ArrayLike, weights: ArrayLike | None = None) -> float:
    """How far two agree beyond chance; 1: always, 0: as chance would have it, not a number: both say one thing.

    Source: J. Cohen, 1960, https://doi.org/10.1177/001316446002000104.
    """
    said = [np.asarray(each) for each in (one, other)]
    names = np.unique(np.concatenate(said))
    weight = np.ones(len(said[0])) if weights is None else np.asarray(weights, float)
    first, second = (np.searchsorted(names, each) for each in said)
    table = np.bincount(first * len(names) + second, weight, len(names) ** 2).reshape(len(names), len(names))
    whole = float(table.sum())
    by_chance = float(table.sum(0) @ table.sum(1)) / whole**2
    return (float(np.trace(table)) / whole - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def spearman(one: ArrayLike, other: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The correlation of ranks, equal ones sharing theirs; not a number where one side is all the same.

    Source: C. Spearman, 1904, https://doi.org/10.2307/1412159.
    """
    values = [np.asarray(each, float) for each in (one, other)]
    if any(np.ptp(each) == 0 for each in values):
        return math.nan
    weight = np.ones(len(values[0])) if weights is None else np.asarray(weights, float)
    weight = weight / weight.sum()
    first, second = (ranks - weight @ ranks for ranks in (_ranks(each, weight) for each in values))
    return float(weight @ (first * second)) / math.sqrt((weight @ first**2) * (weight @ second**2))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """What lies below each value, and half of what equals it."""
    _, place = np.unique(values, return_inverse=True)
    of_value = np.bincount(place, weights)
    return (np.cumsum(of_value) - of_value / 2)[place]


def bootstrap(
    figure: Callable[[Indices], float],
    strata: Sequence[object],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = DRAWS,
) -> Figure:
    """A figure of a sample, with the interval in which it lies when the sample is drawn again from itself.

    Args:
        figure: of those with these indices, of which some stand there several times.
        strata: for each of the sample the part that it was drawn from; of each part as many are drawn again.
        confidence: share of the draws within the interval.
        seed: of the draws.
        draws: how often.

    Source: B. Efron, 1979, https://doi.org/10.1214/aos/1176344552, percentiles.
    """
    random = np.random.default_rng(seed)
    value = figure(np.arange(len(strata)))
    of_part = [np.flatnonzero([each == part for each in strata]) for part in dict.fromkeys(strata)]
    found = [figure(np.concatenate([random.choice(part, len(part)) for part in of_part])) for _ in range(draws)]
    known = [each for each in found if not math.isnan(each)]
    if math.isnan(value) or 2 * len(known) < draws:
        return Figure(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Figure(value, float(low), float(high))
