"""How many calls may be in flight: grown, cut, probed and held, in values and in virtual time."""

import pytest

from dataflow.pools.limits import Limit
from dataflow.pools.width import Width
from tests.kit.hidden_limits import InFlight
from tests.kit.limit_simulation import is_polite, share, simulate


def accept(width: Width, *, level: int, calls: int, now: float = 0.0) -> None:
    for _ in range(calls):
        width.answered(level, now - 1.0, now)


def refuse(width: Width, *, level: int, calls: int, in_flight: int, now: float = 0.0) -> None:
    for _ in range(calls):
        width.refused(level, now, in_flight)


def test_the_width_doubles_once_as_many_calls_are_accepted_as_are_allowed() -> None:
    width = Width(40, 16)
    accept(width, level=16, calls=15)
    assert width.allowed == 16
    accept(width, level=16, calls=1)
    assert width.allowed == 32
    accept(width, level=32, calls=32)
    assert (width.allowed, width.found) == (40, False)


def test_calls_that_use_few_of_the_places_prove_nothing() -> None:
    width = Width(64, 16)
    accept(width, level=12, calls=100)
    assert width.allowed == 16
    accept(width, level=13, calls=16)
    assert width.allowed == 32


def test_failures_of_a_third_of_the_answers_stop_growth() -> None:
    width = Width(64, 16)
    for _ in range(100):
        accept(width, level=16, calls=2)
        width.failed()
    assert width.allowed == 16


def test_the_limit_is_what_is_in_flight_when_a_third_of_a_level_is_refused() -> None:
    width = Width(64, 32)
    accept(width, level=8, calls=100)
    refuse(width, level=20, calls=3, in_flight=10)
    assert (width.allowed, width.found) == (32, False), "three refusals are chance"
    refuse(width, level=20, calls=1, in_flight=10)
    assert (width.allowed, width.found) == (10, True)


def test_refusals_at_every_level_alike_are_chance() -> None:
    width = Width(64, 32)
    for _ in range(30):
        accept(width, level=20, calls=9)
        refuse(width, level=20, calls=1, in_flight=19)
    assert (width.allowed >= 32, width.found) == (True, False)


def found(allowed: int) -> Width:
    """A width of which the server showed at second 0 that it takes so many."""
    width = Width(64, 32)
    refuse(width, level=32, calls=4, in_flight=allowed, now=0.0)
    return width


def test_one_call_more_is_tried_and_twice_as_long_is_waited_after_each_refusal() -> None:
    width, waits, now = found(8), [], 0.0
    assert width.room(4.0 - 0.1) == 8
    for _ in range(5):
        began = now
        while width.room(now) == 8:
            now += 0.5
        waits.append(now - began)
        width.refused(9, now, 8)
    assert waits == [4.0, 8.0, 16.0, 32.0, 35.0]


def test_five_calls_accepted_above_the_limit_show_that_it_is_gone() -> None:
    width = found(8)
    accept(width, level=9, calls=4, now=5.0)
    assert width.found
    accept(width, level=9, calls=1, now=5.0)
    assert not width.found
    accept(width, level=8, calls=8, now=6.0)
    assert width.allowed == 16


def test_the_place_of_a_refused_call_stays_empty_for_as_long_as_a_call_takes() -> None:
    width = Width(8, 8)
    width.hold(10.0)
    assert (width.room(10.9), width.room(11.0)) == (7, 8)
    for _ in range(20):
        width.hold(20.0)
    assert width.room(20.0) == 1, "one call at least"


def test_calls_of_one_burst_cut_the_width_once() -> None:
    width = Width(64, 32)
    width.cut(0.5, 0.0)
    width.cut(0.5, 0.9)
    assert width.allowed == 16
    width.cut(0.5, 1.0)
    assert width.allowed == 8


def test_what_refusals_cost_is_given_back() -> None:
    width = found(8)
    width.restore(100)
    assert (width.allowed, width.found) == (64, False)


def test_the_highest_level_of_the_last_seconds_is_known() -> None:
    width = Width(64, 32)
    for started, level in ((0.0, 20), (1.0, 12), (2.0, 5), (2.5, 9)):
        width.answered(level, started, started + 1.0)
    assert [width.highest_lately(now) for now in (3.0, 3.5, 4.5, 6.0)] == [20, 12, 9, 0]


def test_the_latency_is_a_moving_average() -> None:
    width = Width(8, 8)
    width.answered(1, 0.0, 6.0)
    assert width.latency == pytest.approx(2.0)


def test_a_width_that_the_worker_changes_is_followed_but_not_beyond_what_was_found() -> None:
    width = found(8)
    width.follow(100)
    assert (width.allowed, width.ceiling) == (8, 100)
    width.follow(4)
    assert width.allowed == 4


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (8, 16), (8, 4), (64, 128), (64, 32)])
def test_a_limit_in_flight_is_found_and_followed(before: int, after: int) -> None:
    trace = simulate(Limit(256, 16), InFlight(before), 300, jitter=0.3, changes={150: after})
    assert share(trace, 60, 150, before * 60) >= 0.85
    assert is_polite(trace, 60, 150)
    assert share(trace, 210, 300, after * 60) >= 0.85
    assert is_polite(trace, 210, 300)


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


def test_held_credit_halves_once_a_burst() -> None:
    limit = Limit(8)
    calls = [limit.start(0.0) for _ in range(8)]
    for call in calls[:3]:
        limit.refused(call, 0.0, 0.1, keep=0.5)
    assert limit.allowed == 4


def test_a_width_of_its_own_is_followed_both_ways() -> None:
    limit = Limit(10)
    for width in (4, 16):
        limit.width.follow(width)
        assert limit.allowed == width
