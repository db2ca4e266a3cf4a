"""Which starts the log of an estimator counts, and how far back it knows of all."""

import math

from dataflow.pools.estimators.starts import StartLog


def logged(*times: float, keep: float = 60.0) -> StartLog:
    starts = StartLog()
    for now in times:
        starts.add(now, keep)
    return starts


def test_calls_of_a_quarter_second_count_as_one_moment() -> None:
    starts = logged(0.0, 0.1, 0.2, 0.3)
    assert (starts.count(0.0), starts.count(0.1), starts.count(0.0, 0.3)) == (4, 1, 3)


def test_a_call_that_was_refused_counts_no_longer() -> None:
    starts = logged(0.0, 1.0, 2.0)
    starts.take_back(1.1)
    assert (starts.count(0.0), starts.count(1.0, 2.0)) == (2, 0)
    assert starts.first(0.5) == 2.0
    assert starts.first(2.5) is None
    starts.take_back(-1.0)
    assert starts.count(0.0) == 2, "a call from before the log takes no other with it"


def test_the_log_has_all_starts_since_the_first_until_it_drops_one() -> None:
    starts = StartLog()
    assert starts.complete_since == math.inf
    for now in (5.0, 6.0, 65.0):
        starts.add(now, 60.0)
    assert (starts.count(0.0), starts.complete_since, starts.has_dropped) == (3, 5.0, False)
    starts.add(65.5, 60.0)
    assert (starts.count(0.0), starts.complete_since, starts.has_dropped) == (3, 5.25, True)


def test_a_refused_call_that_is_dropped_leaves_no_gap() -> None:
    starts = logged(5.0, 6.0)
    starts.take_back(5.0)
    starts.add(65.5, 60.0)
    assert (starts.complete_since, starts.has_dropped) == (5.0, False)
