"""Calls in flight: cut by a rate limit, grown back slowly, never above the worker's width."""

from dataflow.core.limits import Limit


def test_a_rate_limit_cuts_a_fifth_and_pauses() -> None:
    limit = Limit(100)
    limit.rate_limited(2.5, now=10.0)
    assert limit.allowed == 80
    assert limit.wait(now=11.0) == 1.5
    assert limit.wait(now=12.5) == 0.0


def test_refusals_of_one_burst_cut_once_and_the_longest_wait_holds() -> None:
    limit = Limit(100)
    for wait in (1.0, 4.0, 2.0):
        limit.rate_limited(wait, now=10.0)
    assert limit.allowed == 80
    assert limit.wait(now=10.0) == 4.0
    limit.rate_limited(0.0, now=11.0)
    assert limit.allowed == 64


def test_at_least_one_call_stays_allowed() -> None:
    limit = Limit(2)
    for second in range(20):
        limit.rate_limited(0.0, now=float(second))
    assert limit.allowed == 1


def test_clean_rounds_grow_it_back_to_the_ceiling_and_no_further() -> None:
    limit = Limit(10)
    limit.rate_limited(0.0, now=0.0)
    assert limit.allowed == 8
    for _ in range(8):
        limit.answered(10)
    assert limit.allowed == 8  # half a call more
    for _ in range(200):
        limit.answered(10)
    assert limit.allowed == 10


def test_a_changed_width_is_followed_both_ways() -> None:
    limit = Limit(10)
    limit.answered(4)
    assert limit.allowed == 4
    limit.answered(16)
    assert limit.allowed == 16
