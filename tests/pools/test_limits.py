"""Which of its two limits an account learns of by a refusal, and who shares what was found."""

import math
import random
from functools import partial

import pytest

from dataflow.core.worker import Limits
from dataflow.pools.limits import Limit, limit_of
from tests.kit.hidden_limits import InFlight
from tests.kit.limit_simulation import share, simulate


def test_refusals_by_chance_do_not_strangle() -> None:
    trace = simulate(Limit(64, 16), InFlight(10**6), 300, jitter=0.3, chance=0.1)
    assert share(trace, 60, 300, 64 * 60) >= 0.5


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


def test_those_of_one_account_share_a_limit_as_long_as_one_of_them_lives() -> None:
    account = ("http://one", random.random())
    first, second = (limit_of(Limits(width, 16, account=account)) for width in (64, 128))
    assert first is second
    assert first.width.ceiling == 128
    assert limit_of(Limits(8)) is not limit_of(Limits(8))
    del first, second
    assert limit_of(Limits(4, account=account)).width.ceiling == 4


def test_a_refusal_while_every_place_is_taken_counts_against_the_width() -> None:
    limit = Limit(64, 16)
    calls = [limit.start(0.0) for _ in range(16)]
    assert limit.wait(0.0) == math.inf
    for call in calls[12:]:
        limit.refused(call, 0.0, 0.1)
    assert (limit.allowed, limit.pace.known) == (12, math.inf)


def test_refusals_in_a_row_with_nothing_else_in_flight_give_the_width_back() -> None:
    limit = Limit(64, 16)
    calls = [limit.start(0.0) for _ in range(16)]
    assert limit.wait(0.0) == math.inf
    for call in reversed(calls):
        limit.refused(call, 0.0, 0.1)
    assert (limit.allowed, limit.in_flight) == (16, 0)
    assert limit.wait(0.1) > 0, "the next attempt comes after a pause"


def test_a_call_has_no_level_above_those_that_ended_just_before() -> None:
    limit = Limit(8)
    first, second = limit.start(0.0), limit.start(0.97)
    limit.answered(first, 1.0)
    assert second.level == 1, "the server had freed the place before the answer arrived"
    third = limit.start(1.5)
    limit.refused(second, 0.0, 1.6)
    assert third.level == 1, "a refused call takes no place"


def test_those_that_wait_for_room_are_called_once_in_turn_while_there_is_some() -> None:
    limit = Limit(2)
    called: list[str] = []
    calls = [limit.start(0.0), limit.start(0.0)]

    def wake(name: str) -> None:
        called.append(name)
        limit.start(1.0)

    wakes = {name: partial(wake, name) for name in "abc"}
    for name in "aabc":
        limit.wake_when_free(wakes[name])
    limit.wake(0.5)
    assert called == [], "nothing has ended"
    limit.answered(calls[0], 1.0)
    limit.wake(1.0)
    assert called == ["a"]
    limit.answered(calls[1], 1.0)
    limit.wake(1.0)
    assert called == ["a", "b"]
