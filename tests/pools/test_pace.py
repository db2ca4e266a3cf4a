"""Which estimator sets the pace, and when a probe begins and ends: each state of the table in virtual time."""

import math
import random

import pytest

from dataflow.pools.limits import Limit
from dataflow.pools.pace import Pace
from dataflow.pools.tuning import TUNING
from tests.kit.hidden_limits import FixedWindow, HiddenLimit, RefusesFor, SlidingWindow, TokenBucket
from tests.kit.limit_simulation import is_polite, share, simulate


def go_on(pace: Pace, now: float, seconds: float) -> float:
    """Start calls as soon as the pace lets them, for so many seconds; when the next may start."""
    end = now + seconds
    while (now := now + pace.wait(now)) < end:
        pace.start(now)
    return now


def cut(pace: Pace) -> float:
    """An episode: eight calls accepted in ten seconds and three refused; when it ended."""
    for second in range(11):
        if second % 5:
            pace.start(float(second))
        else:
            pace.refused(float(second), 0.0, 1)
    return 10.0


def block(pace: Pace, now: float, *, opens: float, wait: bool = False) -> float:
    """Each attempt is refused until the window opens, as the server may say; when a call is accepted then."""
    began = now
    while now < opens:
        pace.start(now)
        pace.take_back(now)
        pace.blocked(now, opens - now if wait else 0.0, now - began)
        now += pace.wait(now)
    pace.start(now)
    pace.accepted(now, now - began)
    return now


def test_without_refusals_any_number_of_calls_starts_at_once() -> None:
    pace = Pace()
    for _ in range(1000):
        assert pace.wait(1.0) == 0
        assert not pace.start(1.0)
    assert pace.allowed == math.inf


def test_a_stated_limit_spaces_the_starts() -> None:
    pace = Pace()
    pace.ceiling = 120.0
    waits = []
    for _ in range(3):
        pace.start(100.0)
        waits.append(pace.wait(100.0))
    assert (pace.allowed, waits) == (2.0, [0.25, 0.75, 1.25]), "a break is made up for by half an interval, no burst"


def test_an_episode_of_refusals_sets_the_pace() -> None:
    pace = Pace()
    now = cut(pace)
    assert pace.known == pytest.approx(0.97 * 0.8)
    assert pace.wait(now) == pytest.approx(1 / pace.known)


def test_a_wait_that_the_server_asks_for_holds_all_calls() -> None:
    pace = Pace()
    assert not pace.refused(5.0, 30.0, 1)
    assert pace.wait(6.0) == 29.0


def test_a_probe_doubles_the_pace_when_it_is_due() -> None:
    pace = Pace()
    now = go_on(pace, cut(pace), TUNING.probe_every - 1)
    known = pace.known
    assert (pace.probing, pace.allowed) == (False, known)
    go_on(pace, now, 3.0)
    assert (pace.probing, pace.known, pace.allowed) == (True, known, 2 * known)


def test_the_first_call_of_a_probe_starts_within_half_an_interval() -> None:
    pace = Pace()
    now = go_on(pace, cut(pace), TUNING.probe_every - 1)
    while not pace.probing:
        pace.start(now)
        now += 0.1
        wait = pace.wait(now)
    assert wait > 0.6 / pace.known, "as the pace was before"
    assert pace.wait(now) == pytest.approx(0.5 / pace.known)


def test_no_probe_exceeds_a_stated_limit() -> None:
    pace = Pace()
    pace.ceiling = 40.0
    go_on(pace, cut(pace), 3 * TUNING.probe_every)
    assert not pace.probing


def probing(pace: Pace) -> float:
    """Go on until a probe begins; when it did."""
    now = cut(pace)
    while not pace.probing:
        now = go_on(pace, now, 0.5)
    return now


def test_a_probe_that_is_refused_measures_the_bucket() -> None:
    pace = Pace()
    now = probing(pace)
    known = pace.known
    pace.probe_refused(now, 0.0)
    assert not pace.probing
    assert pace.known == pytest.approx(known, rel=0.1), "about as many came into the bucket as the pace allowed"
    assert pace.wait(now) == pytest.approx(1 / pace.known)
    pace.probe_refused(now, 7.0)
    go_on(pace, now, TUNING.probe_every - 1)
    assert not pace.probing


def test_a_probe_whose_calls_are_accepted_doubles_the_known_pace() -> None:
    pace = Pace()
    now = probing(pace)
    known = pace.known
    while pace.known == known:
        now += pace.wait(now)
        assert pace.start(now)
        pace.probe_accepted(now, now)
    assert (pace.probing, pace.known) == (False, 2 * known)
    go_on(pace, now, 3.0)
    assert pace.probing, "in a bucket the next probe follows at once"


def test_a_probe_proves_more_by_two_calls_and_a_tenth_of_a_minute() -> None:
    pace = Pace()
    began = now = probing(pace)
    known = pace.known
    accepted = 0
    while pace.probing:
        now += pace.wait(now)
        pace.start(now)
        pace.probe_accepted(now, now)
        accepted += 1
    proof = 2 + 0.1 * known * 60
    assert proof <= accepted - known * (now - began) <= proof + 4, "a few more, until the last minute holds as many too"


def test_a_server_that_says_when_a_probe_may_go_on_is_asked_then() -> None:
    pace = Pace()
    now = probing(pace)
    pace.probe_refused(now, 7.0)
    assert pace.wait(now) == 7.0


def test_calls_from_before_a_probe_prove_nothing() -> None:
    pace = Pace()
    now = probing(pace)
    known = pace.known
    for _ in range(100):
        pace.probe_accepted(now - 5.0, now)
    assert (pace.probing, pace.known) == (True, known)


def test_a_probe_that_the_width_holds_back_succeeds_after_five_seconds() -> None:
    pace = Pace()
    now = probing(pace)
    known = pace.known
    pace.held_by_width(now + 3.0)
    assert pace.probing
    pace.held_by_width(now + 5.5)
    assert (pace.probing, pace.known) == (False, 2 * known)


def test_a_doubled_pace_that_is_refused_falls_back_to_what_was_measured() -> None:
    pace = Pace()
    now = probing(pace)
    while pace.probing:
        now += pace.wait(now)
        pace.start(now)
        pace.probe_accepted(now, now)
    doubled = pace.known
    now = go_on(pace, now, 2.0)
    pace.probe_refused(now, 0.0)
    assert pace.known == doubled, "the bucket may have overflowed"
    assert pace.refused(now + 1.0, 0.0, 1)
    assert pace.known < doubled


def test_refusals_by_chance_end_the_pace() -> None:
    pace = Pace()
    for second in range(200):
        if second % 6:
            pace.start(float(second))
        else:
            pace.refused(float(second), 0.0, 1)
    assert pace.known == math.inf


def test_attempts_at_a_blocked_server_are_half_a_second_to_three_apart() -> None:
    pace = Pace()
    pace.start(0.0)
    pauses = []
    for attempt in range(4):
        pace.blocked(1000.0 * attempt, 0.0, 0.0)  # so late that no window of a usual length would open
        pauses.append(pace.wait(1000.0 * attempt))
    assert pauses[:1] == [0.5]
    assert max(pauses) <= TUNING.longest_pause
    assert pauses == sorted(pauses)


def test_each_attempt_at_a_blocked_server_is_followed_by_a_pause_whatever_the_pace() -> None:
    pace = Pace()
    now = cut(pace)
    pace.blocked(now, 0.0, 0.0)
    assert pace.wait(now) == 0.5 < 1 / pace.known
    pace.start(now + 0.5)
    assert pace.wait(now + 0.5) >= 0.5


def test_a_blocked_server_that_accepts_a_call_early_is_not_waited_for_and_not_probed_at_once() -> None:
    pace = Pace()
    now = cut(pace)
    pace.blocked(now, 30.0, 0.0)
    assert pace.wait(now) == 30.0
    pace.accepted(now + 10.0, 10.0)
    assert pace.wait(now + 10.0) == 0
    pace.start(now + 10.0)
    assert pace.wait(now + 10.0) > 0
    assert not pace.probing


def test_a_server_that_asks_to_wait_for_long_has_a_window_however_soon_it_opens() -> None:
    pace = Pace()
    for number in range(20):
        pace.start(number * 0.25)
    pace.blocked(5.0, 6.0, 0.0)
    pace.accepted(7.0, 2.0)
    assert pace.known < math.inf


def test_refusals_between_accepted_calls_show_no_window() -> None:
    pace = Pace()
    pace.start(0.0)
    pace.accepted(20.0, 20.0)
    cut(pace)
    assert pace.known < math.inf, "an episode sets the pace, which it does for no window"


def test_a_blocked_server_is_asked_when_it_says_so() -> None:
    pace = Pace()
    pace.start(0.0)
    pace.blocked(1.0, 17.0, 1.0)
    assert pace.wait(1.0) == 17.0


def test_a_server_that_refused_everything_for_seconds_has_a_window() -> None:
    pace = Pace()
    for number in range(20):
        pace.start(number * 0.25)
    now = block(pace, 5.0, opens=10.0)
    assert now == pytest.approx(10.125), "asked just after a window of ten seconds would open"
    assert pace.known == pytest.approx(0.97 * 2.0)
    assert pace.wait(now) <= 1 / pace.known


def test_all_starts_of_a_long_window_are_counted() -> None:
    pace = Pace()
    for number in range(60):
        pace.start(number * 0.5)
    now = go_on(pace, block(pace, 30.0, opens=300.0), 250.0)
    assert pace.known == pytest.approx(0.97 * 0.2)
    pace.refused(now, 0.0, 3)
    assert pace.known > 0.1, "forty-odd calls in 250 seconds"


def test_a_server_that_refused_everything_for_a_moment_has_none() -> None:
    pace = Pace()
    for number in range(20):
        pace.start(number * 0.25)
    block(pace, 5.0, opens=7.0)
    assert pace.known == math.inf
    cut(pace)
    assert pace.known < math.inf, "an episode sets its pace"


def test_a_full_window_lets_no_call_start_before_it_opens() -> None:
    pace = Pace()
    for number in range(60):
        pace.start(number * 0.1)
    opened = block(pace, 6.0, opens=60.0, wait=True)
    assert pace.known == pytest.approx(0.97)
    now = go_on(pace, opened, 20.0)
    assert not pace.refused(now, 0.0, 3), "a window's limit lowers no width"
    assert pace.wait(now + 2.0) == pytest.approx(opened + 60.25 - now - 2.0), "less fits into it than into the last one"
    assert pace.known == pytest.approx(0.97 * 21 / 60), "three refusals in a row are no chance"


def test_a_window_is_probed_only_once_it_is_nearly_full() -> None:
    pace = Pace()
    for number in range(60):
        pace.start(number * 0.5)
    now = block(pace, 30.0, opens=60.0)
    now = go_on(pace, now + 200.0, 40.0)  # after a break of which nothing is in the window
    assert not pace.probing
    go_on(pace, now, 40.0)
    assert pace.probing


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


@pytest.mark.parametrize("begin", [0, 200])
def test_a_server_that_refuses_all_calls_for_minutes_is_asked_as_before_when_it_accepts_again(begin: int) -> None:
    end = begin + 200
    trace = simulate(Limit(256, 16), RefusesFor(SlidingWindow(100), begin, end), end + 400, latency=2.0)
    assert share(trace, end, end + 300, 100) > 0.9
    assert is_polite(trace, end + 60, end + 360)


def test_a_limit_of_one_call_a_minute_that_rises_is_followed() -> None:
    trace = simulate(Limit(256, 16), SlidingWindow(1), 1800, latency=2.0, changes={300.0: 100.0})
    assert share(trace, 1500, 1800, 100) > 0.9
