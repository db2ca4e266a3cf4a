"""Backoff: bounded, repeatable, and never shorter than the server asked."""

from dataflow.core.retry import RetryPolicy
from dataflow.errors import Failure

ID = "0123456789abcdef" * 2
POLICY = RetryPolicy(retries=4, base=1.0, cap=6.0)


def test_attempts_end_with_the_policy_or_sooner_where_the_error_says_so() -> None:
    assert [POLICY.allows(Failure("retry", "busy"), n) for n in range(6)] == [True] * 4 + [False] * 2
    assert [POLICY.allows(Failure("retry", "odd", retries=1), n) for n in range(3)] == [True, False, False]
    assert not POLICY.allows(Failure("retry", "odd", retries=9), 4)


def test_delay_doubles_up_to_the_cap_with_jitter_in_its_upper_half() -> None:
    for attempt, full in enumerate((1.0, 2.0, 4.0, 6.0, 6.0)):
        assert full / 2 <= POLICY.delay(Failure("retry", "busy"), attempt, ID) <= full


def test_jitter_comes_from_the_id_and_the_attempt_alone() -> None:
    error = Failure("retry", "busy")
    assert POLICY.delay(error, 1, ID) == POLICY.delay(error, 1, ID)
    assert len({POLICY.delay(error, 0, f"{n:032x}") for n in range(100)}) > 50


def test_the_wait_a_server_asks_for_is_honoured_beyond_the_cap() -> None:
    assert POLICY.delay(Failure("retry", "busy", wait=90.0), 0, ID) == 90.0
    assert POLICY.delay(Failure("retry", "busy", wait=0.1), 2, ID) >= 2.0
