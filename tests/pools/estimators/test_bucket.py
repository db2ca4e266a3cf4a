"""What comes into a token bucket between two refusals, and when that may be too little."""

import pytest

from dataflow.pools.estimators.bucket import BucketEstimator


def fed(calls: int, *, doubled: bool = False) -> BucketEstimator:
    """A bucket that was empty at second 100 and has accepted so many calls since."""
    bucket = BucketEstimator()
    bucket.emptied(100.0)
    for _ in range(calls):
        bucket.started()
    if doubled:
        bucket.doubled()
    return bucket


def test_what_was_accepted_between_two_refusals_came_into_the_bucket() -> None:
    assert fed(120).measure(1.0, 8.0, 160.0) == pytest.approx(0.97 * 2.0)
    assert fed(30).measure(1.0, 8.0, 160.0) == pytest.approx(0.97 * 0.5)
    assert fed(0).measure(1.0, 8.0, 160.0) == pytest.approx(0.97 / 60), "never nothing"


def test_a_count_near_the_known_pace_changes_nothing() -> None:
    assert fed(63).measure(1.0, 8.0, 160.0) == 1.0
    assert fed(64).measure(1.0, 8.0, 160.0) > 1.0, "half the proof is enough"
    assert fed(59).measure(0.95, 8.0, 160.0) == 0.95


def test_a_refused_call_came_out_of_no_bucket() -> None:
    bucket = fed(121)
    bucket.take_back(150.0)
    bucket.take_back(99.0)  # the bucket was not empty then
    assert bucket.measure(1.0, 8.0, 160.0) == pytest.approx(0.97 * 2.0)


def test_the_count_begins_anew_when_the_bucket_is_empty() -> None:
    bucket = fed(500)
    bucket.emptied(200.0)
    for _ in range(20):
        bucket.started()
    assert bucket.measure(1.0, 8.0, 210.0) == pytest.approx(0.97 * 2.0)


def test_a_doubled_pace_stays_until_a_refusal_outside_a_probe() -> None:
    bucket = fed(60, doubled=True)
    assert not bucket.is_too_fast(1.5)
    assert bucket.measure(1.5, 8.0, 160.0) == 1.5, "the bucket may have overflowed"
    assert bucket.is_too_fast(1.5)
    assert bucket.fall_back(1.5) == pytest.approx(0.97)
    assert not bucket.is_too_fast(1.5), "the pace is lowered once"


def test_a_doubled_pace_is_lowered_by_half_at_most() -> None:
    bucket = fed(6, doubled=True)
    bucket.measure(2.0, 8.0, 160.0)
    assert bucket.fall_back(2.0) == 1.0


def test_a_probe_that_succeeds_again_forgets_the_fallback() -> None:
    bucket = fed(60, doubled=True)
    bucket.measure(1.5, 8.0, 160.0)
    bucket.doubled()
    assert not bucket.is_too_fast(3.0)
