"""Statistics of counts: exact binomial tails and intervals, measures of agreement, and their intervals by bootstrap.

Weights make a sample stand for all edits that it was drawn from: a label's weight is the number of edits for each drawn
edit. Everything random follows from a seed.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataflow.core.intervals import Interval, share_of

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

DRAWS = 2000


class Figure(NamedTuple):
    """A figure, and the interval in which the true figure lies; NaN where it cannot be told."""

    value: float
    low: float
    high: float


def at_most(some: int, total: int, share: float) -> float:
    """The binomial tail: the probability of at most `some` hits in `total` trials, each with probability `share`."""
    if some >= total or share <= 0:
        return 1.0
    if some < 0 or share >= 1:
        return 0.0
    hit = np.arange(some + 1)
    logs = _log_ways(total, some) + hit * math.log(share) + (total - hit) * math.log1p(-share)
    return min(1.0, math.fsum(np.exp(logs)))


@lru_cache(maxsize=256)
def _log_ways(total: int, most: int) -> Floats:
    """Logarithms of the binomial coefficients of `total` over 0 to `most`.

    They are computed from whole numbers, since sums of logarithms lose digits.
    """
    ways, logs = 1, [0.0]
    for some in range(most):
        ways = ways * (total - some) // (some + 1)
        logs.append(math.log(ways))
    return np.array(logs)


def corrected_share(parts: Sequence[tuple[float, int, int]], *, confidence: float = 0.95) -> Interval:
    """The share of good edits among all, where the accepted and the rejected part were sampled separately.

    The result equals the accepted share p corrected for the judge's errors, (p + q0 - 1) / (q0 + q1 - 1), where q0 is
    the rejected share of bad edits and q1 the accepted share of good edits, by the labels. The judge may be as bad as
    chance.
    Sources: W. J. Rogan and B. Gladen, 1978, https://doi.org/10.1093/oxfordjournals.aje.a112510; for judges of models,
    https://arxiv.org/abs/2511.21140; the interval of G. Y. Zou and A. Donner, 2008, https://doi.org/10.1002/sim.3095:
    Wilson's intervals of the parts, whose distances from the shares add like standard deviations.

    Args:
        parts: for each part its share of all edits, the number of good labels, and the number of labels.
        confidence: how often the interval holds the true share.
    """
    shares = [(weight, share_of(some, total, confidence=confidence)) for weight, some, total in parts]
    middle = math.fsum(weight * each.share for weight, each in shares)
    below = math.hypot(*(weight * (each.share - each.low) for weight, each in shares))
    above = math.hypot(*(weight * (each.high - each.share) for weight, each in shares))
    return Interval(middle, max(0.0, middle - below), min(1.0, middle + above))


def kappa(first_answers: ArrayLike, second_answers: ArrayLike, weights: ArrayLike | None = None) -> float:
    """How far two judges agree beyond chance: 1, always; 0, as by chance; NaN, both give one single answer.

    Source: J. Cohen, 1960, https://doi.org/10.1177/001316446002000104.
    """
    answers = [np.asarray(each) for each in (first_answers, second_answers)]
    names = np.unique(np.concatenate(answers))
    weight = np.ones(len(answers[0])) if weights is None else np.asarray(weights, float)
    first, second = (np.searchsorted(names, each) for each in answers)
    table = np.bincount(first * len(names) + second, weight, len(names) ** 2).reshape(len(names), len(names))
    whole = float(table.sum())
    by_chance = float(table.sum(0) @ table.sum(1)) / whole**2
    return (float(np.trace(table)) / whole - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def spearman(first_values: ArrayLike, second_values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The correlation of ranks, where equal values share a rank; NaN if all values of a side are equal.

    Source: C. Spearman, 1904, https://doi.org/10.2307/1412159.
    """
    values = [np.asarray(each, float) for each in (first_values, second_values)]
    if any(np.ptp(each) == 0 for each in values):
        return math.nan
    weight = np.ones(len(values[0])) if weights is None else np.asarray(weights, float)
    weight = weight / weight.sum()
    first, second = (ranks - weight @ ranks for ranks in (_ranks(each, weight) for each in values))
    return float(weight @ (first * second)) / math.sqrt((weight @ first**2) * (weight @ second**2))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """The rank of each value: the weight of all smaller values, and half the weight of equal ones."""
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
    """A figure of a sample, with its interval over samples that are drawn again from the sample itself.

    Args:
        figure: computes the figure of the elements at some indices, of which some repeat.
        strata: the stratum of each element; each stratum keeps its size in every draw.
        confidence: share of the draws within the interval.
        seed: of the draws.
        draws: number of draws.

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
