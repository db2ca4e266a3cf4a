"""What a dry run says of its numbers."""

from dataclasses import replace

import pytest

from dataflow.money.estimate import NO_PRICE, Estimate, describe_total

FREE = Estimate(
    remaining=3,
    remaining_most=3,
    assumed=0,
    answered=2,
    up_to=False,
    charged=False,
    currency="USD",
    most=0.0,
    bounded=True,
    first=0.0,
    left=None,
    about=0.0,
    unknown=0,
    usual_each=(),
    seconds=15.0,
    seconds_each=(5.0,),
)
PAID = replace(FREE, charged=True, about=0.3, most=0.6, first=0.2)


def test_requests_answers_and_time_are_told() -> None:
    assert str(FREE) == (
        "3 requests to send, 2 answered already, about 15 s (if a request takes 5 s, which is assumed)"
    )
    assert str(replace(FREE, seconds_each=())).endswith("about 15 s (by the speed of the last run)")
    assert str(replace(FREE, remaining=0, remaining_most=0)) == "0 requests to send, 2 answered already"


def test_what_is_only_assumed_and_what_may_be_asked_again_is_noted() -> None:
    noted = replace(FREE, assumed=1, remaining_most=6)
    assert str(noted).startswith("3 requests to send (1 of them assumed, 6 if answers will not do), ")
    assert str(replace(noted, up_to=True)).startswith("up to 3 requests to send (6 if answers will not do), ")


def test_costs_are_told_with_what_they_leave_out() -> None:
    assert "about 0.3000 USD, at most 0.6000 USD before retries, " in str(PAID)
    partly = str(replace(PAID, unknown=2, bounded=False, usual_each=(0.1, 0.2)))
    assert "about 0.3000 USD (if a picture costs 0.1000 USD or 0.2000 USD, which is assumed)" in partly
    assert "beside 2 requests of unknown cost, at most 0.6000 USD before retries for what has a price" in partly
    assert NO_PRICE in str(replace(PAID, about=0.0, most=0.0))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (0.1, "max_cost leaves 0.1000 USD: no room for the first request, which may cost 0.2000 USD"),
        (0.25, "max_cost leaves 0.2500 USD: not enough"),
        (0.5, "max_cost leaves 0.5000 USD: perhaps not enough"),
        (0.6, ""),
        (None, ""),
    ],
)
def test_a_limit_is_told_if_it_leaves_too_little(left: float | None, said: str) -> None:
    found = str(replace(PAID, left=left))
    assert f", {said}, " in found if said else "max_cost" not in found


def test_the_steps_of_a_pipeline_are_added_up_with_their_assumptions() -> None:
    later = replace(PAID, assumed=2, up_to=True, usual_each=(0.1,), seconds_each=(12.0,))
    assert describe_total([FREE, later]) == (
        "in all 6 requests to send, 4 answered already, about 0.3000 USD, at most 0.6000 USD before retries, about 30 s"
        "; assumed: 2 of the requests, which depend on answers to come, that no step drops a row, 0.1000 USD for a"
        " picture, and 5 or 12 s for a request; nothing was sent"
    )
    assert describe_total([replace(FREE, seconds_each=())]) == (
        "in all 3 requests to send, 2 answered already, about 15 s; nothing was sent"
    )
