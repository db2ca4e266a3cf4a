"""What an account may ask at once and in a minute, found out in virtual time."""

import random

import pytest

from dataflow.core.worker import Limits
from dataflow.pools.limits import Limit, limit_of
from tests.kit.hidden_limits import FixedWindow, HiddenLimit, InFlight, SlidingWindow, TokenBucket
from tests.kit.limit_simulation import Trace, simulate


def share(trace: Trace, begin: float, end: float, most: float) -> float:
    """Of what the server takes in a minute."""
    return trace.between(begin, end)[0] * 60 / (end - begin) / most


def is_polite(trace: Trace, begin: float, end: float) -> bool:
    """At most 2 % refused, or two a minute."""
    let_in, refused = trace.between(begin, end)
    return refused <= max(2 * (end - begin) / 60, 0.02 * (let_in + refused))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (8, 16), (8, 4), (64, 128), (64, 32)])
def test_a_limit_in_flight_is_found_and_followed(before: int, after: int) -> None:
    trace = simulate(Limit(256, 16), InFlight(before), 300, jitter=0.3, changes={150: after})
    assert share(trace, 60, 150, before * 60) >= 0.85
    assert is_polite(trace, 60, 150)
    assert share(trace, 210, 300, after * 60) >= 0.85
    assert is_polite(trace, 210, 300)


def servers(limit: int) -> list[HiddenLimit]:
    return [SlidingWindow(limit), FixedWindow(limit, 25.0), TokenBucket(limit, limit)]


@pytest.mark.parametrize("limit", [60, 600])
@pytest.mark.parametrize("kind", range(3))
def test_a_limit_a_minute_is_found_however_the_server_counts(kind: int, limit: int) -> None:
    trace = simulate(Limit(256, 16), servers(limit)[kind], 240, jitter=0.3, tells=True)
    assert share(trace, 60, 240, limit) >= 0.85
    assert is_polite(trace, 120, 240)  # a bucket of 60 is taken for a limit in flight at first


@pytest.mark.parametrize(("limit", "window"), [(100, 10), (150, 15), (100, 30), (60, 120), (100, 300)])
@pytest.mark.parametrize("tells", [False, True])
def test_a_sliding_window_of_any_length_is_found_when_it_opens_first(limit: int, window: float, tells: bool) -> None:
    for seed in range(3):
        pool = Limit(256, 16)
        server = SlidingWindow(limit, window)
        trace = simulate(pool, server, 3 * window, jitter=0.3, seed=seed, tells=tells)
        assert share(trace, window, 3 * window, limit * 60 / window) >= 0.85
        assert 0.9 * limit / window <= pool.pace.known <= limit / window
        assert is_polite(trace, 1.5 * window, 3 * window)


@pytest.mark.parametrize("tells", [False, True])
def test_a_fixed_window_of_ten_seconds_is_told_from_one_of_a_minute_that_had_begun(tells: bool) -> None:
    for seed in range(4):
        phase = random.Random(seed).uniform(0, 10)
        trace = simulate(Limit(256, 16), FixedWindow(100, phase, 10), 200, jitter=0.3, seed=seed, tells=tells)
        assert share(trace, 90, 200, 600) >= 0.75, seed
        assert trace.let_in[399] < 95


def test_400_rows_of_600_a_minute_that_are_counted_over_ten_seconds_take_no_minute() -> None:
    for seed in range(4):
        trace = simulate(Limit(256, 16), SlidingWindow(100, 10), 60, jitter=0.3, seed=seed)
        assert trace.let_in[399] < 50  # in 30 at best


@pytest.mark.parametrize("phase", [7.0, 33.0, 52.0])
def test_a_minute_that_had_begun_is_not_taken_for_a_shorter_window(phase: float) -> None:
    pool = Limit(256, 16)
    trace = simulate(pool, FixedWindow(60, phase), 240, jitter=0.3)
    assert share(trace, 60, 240, 60) >= 0.9
    assert pool.pace.known <= 1.0


@pytest.mark.parametrize("after", [120, 30])
def test_a_limit_a_minute_is_followed(after: int) -> None:
    trace = simulate(Limit(256, 16), SlidingWindow(60), 320, jitter=0.3, changes={150: after})
    assert share(trace, 210, 320, after) >= 0.85
    assert is_polite(trace, 210, 320)


@pytest.mark.parametrize(("before", "after"), [(60, 120), (200, 50)])
def test_a_bucket_is_measured_from_one_moment_at_which_it_is_empty_to_the_next(before: int, after: int) -> None:
    for seed in range(8):
        server = TokenBucket(before, before)
        trace = simulate(Limit(256, 16), server, 330, jitter=0.3, seed=seed, changes={150: after})
        assert share(trace, 210, 330, after) >= 0.85
        assert is_polite(trace, 210, 330), seed


@pytest.mark.parametrize("after", [45, 30, 20])
def test_a_bucket_that_one_call_at_a_time_just_used_up_is_paced_when_it_shrinks(after: int) -> None:
    for seed in range(4):  # a call takes a second, in which sixty a minute lets one in: until then nothing is refused
        server = TokenBucket(60, 60)
        trace = simulate(Limit(256, 16), server, 330, jitter=0.02, seed=seed, changes={150: after})
        assert share(trace, 210, 330, after) >= 0.85
        assert is_polite(trace, 210, 330), seed


def test_refusals_by_chance_do_not_strangle() -> None:
    trace = simulate(Limit(64, 16), InFlight(10**6), 300, jitter=0.3, chance=0.1)
    assert share(trace, 60, 300, 64 * 60) >= 0.5


def test_failures_of_the_server_stop_growth_and_cut_nothing() -> None:
    limit = Limit(256, 16)
    simulate(limit, InFlight(10**6), 60, fails=lambda now: True)
    assert limit.allowed == 16
    limit = Limit(256, 64)
    simulate(limit, InFlight(10**6), 30, fails=lambda now: 10 < now < 12)
    assert limit.allowed == 256


def test_a_worker_that_does_not_use_its_places_gets_no_more() -> None:
    limit = Limit(256, 16)
    for second in range(100):
        call = limit.start(float(second))
        limit.answered(call, second + 0.5)
    assert limit.allowed == 16


def test_a_stated_rate_is_never_passed() -> None:
    limit = Limit(256, 16)
    limit.pace.ceiling = 120
    trace = simulate(limit, InFlight(10**6), 120)
    assert 100 <= trace.between(60, 120)[0] <= 121
    assert limit.shown(64) == " of 16, 120 a minute"
    assert limit.shown(5) == " of 5, 120 a minute"


def test_one_refusal_in_flight_stops_no_other_call_whatever_the_header_says() -> None:
    limit = Limit(8)
    calls = [limit.start(0.0) for _ in range(8)]
    limit.refused(calls[7], 600.0, 0.1)
    limit.answered(calls[0], 1.0)
    assert limit.wait(1.2) == 0


def test_a_refusal_with_nothing_else_in_flight_makes_all_wait() -> None:
    limit = Limit(8)
    limit.refused(limit.start(0.0), 30.0, 0.1)
    assert limit.wait(0.2) == pytest.approx(29.9)


def test_held_credit_halves_once_a_burst() -> None:
    limit = Limit(8)
    calls = [limit.start(0.0) for _ in range(8)]
    for call in calls[:3]:
        limit.refused(call, 0.0, 0.1, keep=0.5)
    assert limit.allowed == 4


def test_those_of_one_account_share_a_limit_as_long_as_one_of_them_lives() -> None:
    account = ("http://one", random.random())
    first, second = (limit_of(Limits(width, 16, account=account)) for width in (64, 128))
    assert first is second
    assert first.width.ceiling == 128
    assert limit_of(Limits(8)) is not limit_of(Limits(8))
    del first, second
    assert limit_of(Limits(4, account=account)).width.ceiling == 4


def test_a_width_of_its_own_is_followed_both_ways() -> None:
    limit = Limit(10)
    for width in (4, 16):
        limit.width.follow(width)
        assert limit.allowed == width
