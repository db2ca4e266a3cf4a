"""When an address counts as down, and when what fails is a row's own trouble."""

from dataflow.pools.breaker import FAILURES, ROWS, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(30.0, 1800.0, clock)
    opened = [breaker.failed(f"row {n}") for n in range(FAILURES)]
    assert opened == [False] * (FAILURES - 1) + [True]
    return breaker


def test_it_opens_at_the_20th_failure_in_a_row_and_lets_one_call_through_every_30_seconds() -> None:
    clock = Clock()
    breaker = broken(clock)
    assert (breaker.open, breaker.wait) == (True, 30.0)
    clock.now += 30
    assert breaker.wait == 0
    breaker.probing()
    assert breaker.wait == 30
    assert not breaker.failed("row 0")
    assert breaker.wait == 30


def test_one_answer_starts_the_count_again() -> None:
    clock = Clock()
    breaker = Breaker(30.0, 1800.0, clock)
    for n in range(5 * FAILURES):
        breaker.failed(f"row {n}")
        if n % 10 == 9:
            assert not breaker.answered("good")
    assert (breaker.open, breaker.wait) == (False, 0)


def test_an_answer_closes_it() -> None:
    clock = Clock()
    breaker = broken(clock)
    assert breaker.answered("row 3")
    assert (breaker.open, breaker.wait, breaker.dead) == (False, 0, False)
    assert not breaker.failed("row 0"), "one failure after an outage is not another outage"


def test_a_few_rows_that_fail_every_time_are_no_outage() -> None:
    breaker = Breaker(30.0, 1800.0, Clock())
    for _ in range(9):
        for n in range(ROWS - 1):
            assert not breaker.failed(f"row {n}")


def test_rows_that_failed_while_others_were_answered_do_not_count_later() -> None:
    breaker = Breaker(30.0, 1800.0, Clock())
    for n in range(FAILURES - 1):
        breaker.failed(f"poison {n}")
    breaker.answered("good")
    for _ in range(8):
        for n in range(FAILURES - 1):
            assert not breaker.failed(f"poison {n}")
    assert not breaker.open


def test_what_was_given_up_or_answered_is_forgotten() -> None:
    breaker = Breaker(30.0, 1800.0, Clock())
    for n in range(FAILURES - 1):
        breaker.failed(f"row {n}")
    breaker.answered("good")
    for n in range(FAILURES - 1):
        (breaker.given_up if n % 2 else breaker.answered)(f"row {n}")
    assert [breaker.failed(f"row {n}") for n in range(FAILURES - 1)] == [False] * (FAILURES - 1)
    assert breaker.failed("one more"), "they count like any other row again"


def test_it_is_dead_half_an_hour_after_the_first_failure() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1799
    assert not breaker.dead
    clock.now += 1
    assert breaker.dead
