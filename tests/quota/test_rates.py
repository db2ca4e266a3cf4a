"""What is believed of an operation's rows."""

import math

import numpy as np
import pytest

from dataflow.quota.rates import PassRates, above


def rates(*, tries: int = 2, **priors: float) -> PassRates:
    return PassRates(priors or {"move": 0.6}, tries)


def test_before_anything_was_seen_a_row_passes_as_the_prior_says() -> None:
    assert rates(tries=1).row("move") == pytest.approx(0.6 * 7.8 / 8)
    assert rates(tries=2).row("move") == pytest.approx((1 - 0.4 * (1 - 0.6 * 0.35)) * 7.8 / 8)


def test_what_was_seen_outweighs_the_prior() -> None:
    seen = rates(tries=1)
    for number in range(200):
        seen.add("move", tries=1, accepted=number % 10 == 0)
    assert 0.1 < seen.row("move") < 0.13


def test_retries_of_one_operation_tell_of_those_of_another() -> None:
    seen = rates(move=0.6, zoom=0.6)
    before = seen.row("zoom")
    for _ in range(100):
        seen.add("move", tries=2, accepted=False)
    assert seen.row("zoom") < before - 0.02


def test_rows_without_an_edit_say_nothing_of_the_edits() -> None:
    seen = rates(move=0.6, zoom=0.6)
    for _ in range(100):
        seen.add("move", tries=0, accepted=False)
    _, first, _ = seen.draw(np.random.default_rng(0), 4_000, ["move"])
    assert first.mean() == pytest.approx(0.6, abs=0.02)
    assert seen.row("zoom") < 0.1, "no row reaches its edit"


@pytest.mark.parametrize(("accepted", "rejected", "given_up"), [(0, 24, False), (0, 60, True), (6, 54, False)])
def test_an_operation_is_given_up_once_it_is_surely_hopeless(accepted: int, rejected: int, given_up: bool) -> None:
    seen = rates()
    for number in range(accepted + rejected):
        seen.add("move", tries=1, accepted=number < accepted)
    assert seen.is_hopeless("move", 0.05) is given_up
    assert not seen.is_hopeless("move", 0.0)


@pytest.mark.parametrize(
    ("share", "good", "bad"), [(0.05, 1, 1), (0.5, 2, 3), (0.05, 1, 59), (0.9, 90, 10), (0.2, 3, 3)]
)
def test_the_tail_of_a_rate_is_that_of_a_binomial(share: float, good: int, bad: int) -> None:
    trials = good + bad - 1
    exact = sum(math.comb(trials, n) * share**n * (1 - share) ** (trials - n) for n in range(good))
    assert above(share, good, bad) == pytest.approx(exact, abs=1e-4)


def test_the_tail_is_right_where_nothing_was_accepted() -> None:
    drawn = np.random.default_rng(0).beta(0.5, 60.5, 400_000) > 0.05
    assert above(0.05, 0.5, 60.5) == pytest.approx(drawn.mean(), abs=1e-3)


def test_drawn_rates_scatter_around_what_is_known() -> None:
    seen = rates(move=0.6, zoom=0.9)
    reaches, first, again = seen.draw(np.random.default_rng(0), 4_000, ["move", "zoom"])
    assert first.mean(axis=0) == pytest.approx([0.6, 0.9], abs=0.02)
    assert again.mean(axis=0) == pytest.approx([0.6 * 0.35, 0.9 * 0.35], abs=0.03)
    assert reaches.shape == (4_000, 1)
