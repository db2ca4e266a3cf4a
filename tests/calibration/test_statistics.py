"""Every figure is scipy's, to twelve digits; what scipy has not is held against its definition or against the truth."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from dataflow.calibration.statistics import (
    at_most,
    bootstrap,
    corrected_share,
    kappa,
    spearman,
)
from dataflow.core.intervals import share_of

CASES = [
    (0, 1),
    (1, 1),
    (0, 22),
    (1, 38),
    (3, 50),
    (20, 100),
    (199, 200),
    (37, 400),
    (200, 400),
    (400, 400),
    (120, 3000),
]
EXACT = 1e-12


@pytest.mark.parametrize(("some", "total"), CASES)
@pytest.mark.parametrize("share", [1e-9, 0.02, 0.1, 0.2, 0.5, 0.93, 1 - 1e-9])
def test_tails_are_exact(some: int, total: int, share: float) -> None:
    assert at_most(some, total, share) == pytest.approx(stats.binom.cdf(some, total, share), abs=EXACT)


def test_tails_at_the_ends() -> None:
    assert (at_most(-1, 5, 0.3), at_most(5, 5, 0.3), at_most(0, 5, 0), at_most(4, 5, 1)) == (0, 1, 1, 0)


@pytest.mark.parametrize(("some", "total"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
def test_intervals_of_shares_are_scipys(some: int, total: int, confidence: float) -> None:
    interval = stats.binomtest(some, total).proportion_ci(confidence, "wilson")
    found = share_of(some, total, confidence=confidence)
    assert found[1:] == pytest.approx((interval.low, interval.high), abs=EXACT)


def test_spearman_is_scipys_with_ties() -> None:
    random = np.random.default_rng(4)
    for _ in range(50):
        one, other = (random.integers(0, 11, 60).astype(float).tolist() for _ in range(2))
        yes_or_no = [float(each > 5) for each in other]
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=EXACT)
        assert spearman(one, yes_or_no) == pytest.approx(stats.spearmanr(one, yes_or_no).statistic, abs=EXACT)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_a_weight_of_three_is_three_times_the_same() -> None:
    random = np.random.default_rng(5)
    one, other = random.integers(0, 11, 40).astype(float), random.integers(0, 3, 40).astype(float)
    weights = random.integers(1, 4, 40)
    again = np.repeat(np.arange(40), weights)
    assert spearman(one.tolist(), other.tolist(), weights.tolist()) == pytest.approx(
        spearman(one[again].tolist(), other[again].tolist()), abs=EXACT
    )
    names = ["no", "unsure", "yes"]
    said, judged = ([names[int(each) % 3] for each in values] for values in (one, other))
    repeated = kappa([said[at] for at in again], [judged[at] for at in again])
    assert kappa(said, judged, weights.tolist()) == pytest.approx(repeated, abs=EXACT)


def test_kappa_is_as_cohen_defines_it() -> None:
    # 20 both yes, 15 both no, 5 and 10 apart: 0.7 agree where chance gives 0.5.
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(one, other) == pytest.approx(0.4, abs=EXACT)
    assert kappa(one, one) == 1
    assert math.isnan(kappa(["yes"] * 3, ["yes"] * 3))


def test_the_corrected_share_is_rogan_and_gladens() -> None:
    # Of the accepted 60 % of all, 45 of 50 are good; of the others 10 of 50.
    accepted = 0.6
    parts = [(accepted, 45, 50), (1 - accepted, 10, 50)]
    good, bad = 0.6 * 0.9 + 0.4 * 0.2, 0.6 * 0.1 + 0.4 * 0.8
    q0, q1 = 0.4 * 0.8 / bad, 0.6 * 0.9 / good
    assert corrected_share(parts).share == pytest.approx((accepted + q0 - 1) / (q0 + q1 - 1), abs=EXACT)
    assert corrected_share([(1.0, 45, 50)]) == pytest.approx(share_of(45, 50), abs=EXACT)


def holds(true: Sequence[tuple[float, float]], sizes: Sequence[int], times: int) -> float:
    """How often the interval of the corrected share holds the true one."""
    random = np.random.default_rng(6)
    whole = sum(weight * share for weight, share in true)
    held = 0
    for _ in range(times):
        parts = [(weight, int(random.binomial(n, share)), n) for (weight, share), n in zip(true, sizes, strict=True)]
        found = corrected_share(parts)
        held += found.low <= whole <= found.high
    return held / times


@pytest.mark.parametrize(
    ("true", "sizes"), [([(0.7, 0.9), (0.3, 0.2)], [80, 20]), ([(0.7, 0.97), (0.3, 0.02)], [40, 10])]
)
def test_the_corrected_shares_interval_holds_it(true: Sequence[tuple[float, float]], sizes: Sequence[int]) -> None:
    assert holds(true, sizes, 1000) >= 0.93


def test_the_bootstrap_keeps_its_parts_and_its_seed() -> None:
    values = np.array([0.0] * 30 + [1.0] * 70)
    parts = ["low"] * 30 + ["high"] * 70

    def mean(drawn: np.ndarray) -> float:
        return float(values[drawn].mean())

    assert bootstrap(mean, parts) == (0.7, 0.7, 0.7)
    free = bootstrap(mean, [""] * 100, seed=3)
    assert free == bootstrap(mean, [""] * 100, seed=3)
    assert free != bootstrap(mean, [""] * 100, seed=4)
    assert free[1:] == pytest.approx((0.61, 0.79), abs=0.02)


def test_a_figure_that_cannot_be_told_has_no_interval() -> None:
    assert all(math.isnan(each) for each in bootstrap(lambda drawn: math.nan, [0, 1, 2]))
    mostly = bootstrap(lambda drawn: 1.0 if len(set(drawn.tolist())) == 4 else math.nan, [0, 0, 0, 0])
    assert (mostly.value, math.isnan(mostly.low)) == (1.0, True)
