"""What the refusals of a window and its opening say of its limit, its length and its kind."""

import math

import pytest

from dataflow.pools.estimators.starts import StartLog
from dataflow.pools.estimators.window import Window, WindowEstimator


class Asked:
    """A window that is asked in virtual time.

    Args:
        keep: seconds for which starts are logged.
    """

    def __init__(self, keep: float = 3600.0) -> None:
        self.starts = StartLog()
        self.window = WindowEstimator(self.starts)
        self._keep = keep

    def accept(self, begin: float, *, calls: int, every: float = 0.5) -> float:
        """So many calls start, and are accepted; when the next would."""
        for number in range(calls):
            self.starts.add(begin + number * every, self._keep)
        return begin + calls * every

    def block(self, begin: float, *, last: float, wait: float = 0.0, pace: float = math.inf) -> None:
        """Everything is refused from one time on, up to another."""
        self.window.take_back(begin)
        self.window.blocked(pace, wait, begin)
        self.window.take_back(last)


def test_a_sliding_window_counts_the_last_minute_and_frees_when_its_first_call_leaves() -> None:
    starts = StartLog()
    for now in (0.0, 10.0, 20.0):
        starts.add(now, 3600.0)
    assert Window().began(65.0) == 5.0
    assert Window().frees_at(65.0, starts) == 70.25
    assert Window().frees_at(100.0, starts) == 160.25, "an empty one is full of a call that starts now"


def test_a_fixed_window_counts_from_its_last_full_minute() -> None:
    window = Window(60.0, opened_at=7.0)
    assert window.began(130.0) == 127.0
    assert window.frees_at(130.0, StartLog()) == 187.25


def test_a_minute_that_opens_when_its_first_call_leaves_slides() -> None:
    asked = Asked()
    full = asked.accept(0.0, calls=60)
    asked.block(full, last=59.9)
    assert asked.window.frees_at(full) == 60.25
    assert not asked.window.opened(60.1)
    assert (asked.window.length, asked.window.pace) == (60.0, pytest.approx(0.97))


def test_a_window_that_opens_before_any_call_left_a_minute_is_shorter() -> None:
    asked = Asked()
    full = asked.accept(0.0, calls=12)
    asked.block(full, last=9.5)
    assert asked.window.opened(10.1)
    assert (asked.window.length, asked.window.pace) == (10.0, pytest.approx(0.97 * 1.2))


def test_a_window_that_opens_late_is_longer() -> None:
    asked = Asked()
    full = asked.accept(0.0, calls=60)
    asked.block(full, last=299.0)
    assert asked.window.opened(300.1)
    assert (asked.window.length, asked.window.pace) == (300.0, pytest.approx(0.97 * 0.2))


def test_an_unusual_length_is_the_rest_of_a_minute_that_had_begun() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=20), last=36.9)
    assert not asked.window.opened(37.1)
    assert (asked.window.length, asked.window.pace) == (60.0, pytest.approx(0.97 * 20 / 60))
    asked.block(asked.accept(37.1, calls=40), last=96.9)
    assert not asked.window.opened(97.1)
    assert (asked.window.length, asked.window.pace) == (60.0, pytest.approx(0.97 * 40 / 60))
    assert asked.window.frees_at(100.0) == 97.1 + 60.25, "all of its calls leave a fixed window at once"


def test_an_unusual_length_is_the_whole_window_if_the_window_opens_so_a_second_time() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=20), last=36.9)
    assert not asked.window.opened(37.1)
    full = asked.accept(37.1, calls=20)
    asked.block(full, last=full, wait=27.0, pace=1.0)
    assert asked.window.opened(74.1)
    assert asked.window.length == pytest.approx(74.1 - 37.1, abs=0.5)


def test_an_unusual_length_is_the_whole_window_if_it_accepts_more_than_the_rest_of_a_minute() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=20), last=36.9)
    asked.window.opened(37.1)
    assert asked.window.adopt_guess(80.0)
    assert (asked.window.length, asked.window.pace) == (37.35, pytest.approx(0.97 * 20 / 37.35))
    assert not asked.window.adopt_guess(81.0), "there is no guess any more"


def test_a_guess_of_long_ago_is_no_window() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=20), last=36.9)
    asked.window.opened(37.1)
    assert not asked.window.adopt_guess(37.1 + 120)


def test_a_server_that_says_when_its_window_opens_has_a_fixed_one() -> None:
    asked = Asked()
    full = asked.accept(0.0, calls=60)
    asked.block(full, last=full, wait=10.0, pace=1.0)
    asked.window.opened(40.1)
    asked.accept(40.1, calls=10)
    assert asked.window.count(50.0) == 10, "the calls of the window before count no longer"
    assert asked.window.frees_at(50.0) == 40.1 + 60.25


@pytest.mark.parametrize(("wait", "pace"), [(2.0, 10.0), (20.0, 0.1)])
def test_a_wait_that_ends_when_one_call_fits_again_says_nothing_of_a_fixed_window(wait: float, pace: float) -> None:
    asked = Asked()
    full = asked.accept(0.0, calls=60)
    asked.block(full, last=full, wait=wait, pace=pace)
    asked.window.opened(60.1)
    assert asked.window.count(60.1) == 59, "the window slides: one call has left it"


def test_a_fixed_window_that_refuses_while_nearly_empty_slides() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=60), last=30.0, wait=10.0, pace=1.0)
    asked.window.opened(40.1)
    asked.accept(40.1, calls=5)
    asked.window.refused(50.0)
    assert asked.window.count(50.0) == 65


def test_windows_that_passed_unnoticed_share_their_time_and_calls() -> None:
    asked = Asked()
    asked.block(asked.accept(0.0, calls=20), last=9.5)
    asked.window.opened(10.1)
    asked.block(asked.accept(10.1, calls=60), last=39.9)  # three windows of ten seconds, two of them not refused
    assert asked.window.opened(40.1)
    assert (asked.window.length, asked.window.pace) == (10.0, pytest.approx(0.97 * 2.0))


def test_a_window_that_opens_before_the_log_began_shows_no_length() -> None:
    asked = Asked(keep=60.0)
    asked.accept(0.0, calls=1)
    full = asked.accept(100.0, calls=60)
    asked.block(full, last=159.9)
    assert asked.starts.has_dropped
    assert asked.window.likely_openings() == []
    assert not asked.window.opened(160.1)
    assert asked.window.pace == pytest.approx(0.97)


def test_a_window_that_is_full_for_the_first_time_is_asked_at_round_lengths() -> None:
    asked = Asked()
    asked.block(asked.accept(7.0, calls=20), last=20.0)
    assert {7.0 + 29.5, 7.0 + 30.125} <= set(asked.window.likely_openings())
    asked.window.opened(37.1)
    assert asked.window.likely_openings() == [], "the limit is known"


def test_the_limit_is_what_the_window_holds_when_it_refuses_a_call_and_a_probe_forgets_it() -> None:
    asked = Asked()
    asked.accept(0.0, calls=40, every=1.0)
    assert not asked.window.is_full(40.0)
    asked.window.refused(40.0)
    assert asked.window.is_full(40.0)
    assert asked.window.pace_of_limit == pytest.approx(0.97 * 40 / 60)
    assert not asked.window.is_full(61.0), "two calls have left"
    asked.accept(40.0, calls=10, every=1.0)
    asked.window.refused(50.0)
    assert asked.window.pace_of_limit == pytest.approx(0.97 * 40 / 60), "a refusal raises no limit"
    asked.window.probe_refused(50.0)
    assert asked.window.pace_of_limit == pytest.approx(0.97 * 50 / 60), "one of a probe does"
    asked.window.probed()
    assert not asked.window.is_full(50.0)


def test_a_probe_proves_something_in_a_window_that_is_nearly_full() -> None:
    asked = Asked()
    asked.accept(0.0, calls=53, every=1.0)
    assert not asked.window.is_nearly_full(1.0, 53.5)
    asked.accept(53.0, calls=1)
    assert asked.window.is_nearly_full(1.0, 53.5)


def test_a_window_holds_one_call_at_least() -> None:
    window = WindowEstimator(StartLog())
    window.refused(10.0)
    assert window.pace_of_limit == pytest.approx(0.97 / 60)
