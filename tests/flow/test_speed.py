"""The rate at which rows are done: of late, of rows that had to be asked, and not of a model that loads."""

import pytest

from dataflow.flow.speed import Speed


class Clock:
    """What `time.monotonic` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("dataflow.flow.speed.time.monotonic", lambda: self.now)

    def rate(self, *marks: tuple[float, int], at: float) -> float:
        """Of a speed that began at 0 and was marked so."""
        self.now = 0.0
        speed = Speed()
        for self.now, rows in marks:
            speed.mark(rows)
        self.now = at
        return speed.rate()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_rate_is_that_of_the_last_minute(clock: Clock) -> None:
    fast = [(float(at), 10 * at) for at in range(2, 100, 2)]
    slow = [(float(at), 980 + at) for at in range(100, 200)]
    assert clock.rate(*fast, *slow, at=200.0) == pytest.approx(1.0, rel=0.05)


def test_the_wait_for_the_first_answer_does_not_slow_a_rate_down_for_long(clock: Clock) -> None:
    assert clock.rate((30.0, 2), at=30.0) == pytest.approx(2 / 30)
    assert clock.rate((30.0, 2), (35.0, 52), at=35.0) == pytest.approx(10.0)


def test_slow_answers_are_counted_over_a_longer_time(clock: Clock) -> None:
    marks = [(90.0 * count, count) for count in range(1, 40)]
    assert clock.rate(*marks, at=90.0 * 39 + 45) == pytest.approx(1 / 90, rel=0.1)


def test_no_rate_is_known_before_the_first_answer(clock: Clock) -> None:
    assert clock.rate(at=50.0) == 0


def test_rows_that_were_known_before_tell_nothing_once_one_is_asked(clock: Clock) -> None:
    known = [(float(at), 1000 * at) for at in range(1, 10)]
    assert clock.rate(*known, at=10.0) == pytest.approx(900.0, rel=0.05)
    assert clock.rate(*known, (12.0, 0), (22.0, 10), at=22.0) == pytest.approx(1.0)
