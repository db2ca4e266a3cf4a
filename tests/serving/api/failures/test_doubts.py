"""What is not believed at first sight, and which second sight it takes."""

import logging

import pytest

from dataflow.errors import CreditHeld, FatalAnswer, RefusedAnswer, TransientAnswer
from dataflow.serving.api.failures.doubts import CHANNEL_SECONDS, RETRIES, Doubts


def doubted(doubt, kind=FatalAnswer, **more):
    error = kind("why", said="their words", **more)
    error.doubt = doubt
    return error


def proven():
    doubts = Doubts("serving")
    assert doubts.settle("good", 0, None) is None
    return doubts


def test_an_account_is_doubted_at_once_if_nothing_was_ever_answered():
    assert type(Doubts("serving").settle("a", 0, doubted("account"))) is FatalAnswer


def test_after_an_answer_it_takes_two_different_samples_in_a_row():
    doubts = proven()
    for _ in range(3):
        once_more = doubts.settle("a", 0, doubted("account"))
        assert (type(once_more), once_more.retries, once_more.said) == (TransientAnswer, 2, "their words")
    assert doubts.settle("good", 0, None) is None
    assert type(doubts.settle("b", 0, doubted("account"))) is TransientAnswer
    assert type(doubts.settle("c", 0, TransientAnswer("HTTP 500"))) is TransientAnswer
    assert type(doubts.settle("d", 0, doubted("account"))) is FatalAnswer


@pytest.mark.parametrize(
    "proof", [RefusedAnswer("policy"), TransientAnswer("no picture", retries=2, refuse_after=True)]
)
def test_a_refusal_or_a_reply_without_a_picture_proves_the_account_too(proof):
    doubts = Doubts("serving")
    doubts.settle("a", 0, proof)
    assert type(doubts.settle("b", 0, doubted("account"))) is TransientAnswer


def test_credit_is_confirmed_once_by_a_request_sent_after_the_halving():
    doubts = proven()
    held = doubts.settle("a", 0, doubted("credit"))
    assert (type(held), held.keep, doubts.halvings) == (CreditHeld, 0.5, 1)
    assert type(doubts.settle("b", 0, doubted("credit"))) is TransientAnswer, "sent while twice as many ran"
    assert doubts.settle("c", 0, None) is None, "an answer to a request from before proves nothing"
    assert type(doubts.settle("d", 1, doubted("credit"))) is FatalAnswer


def test_credit_that_suffices_for_half_is_halved_again_later():
    doubts = proven()
    doubts.settle("a", 0, doubted("credit"))
    assert doubts.settle("b", 1, None) is None
    assert type(doubts.settle("c", 1, doubted("credit"))) is CreditHeld
    assert doubts.halvings == 2


def test_a_model_without_a_channel_is_asked_three_times_more():
    doubts = Doubts("serving")
    for _ in range(RETRIES):
        error = doubts.settle("a", 0, doubted("channel", TransientAnswer))
        assert (type(error), error.wait) == (TransientAnswer, 0)
        assert type(doubts.settle("b", 0, doubted("channel", TransientAnswer))) is TransientAnswer
    assert type(doubts.settle("a", 0, doubted("channel", TransientAnswer))) is FatalAnswer


def test_a_channel_that_comes_back_starts_the_count_again_and_is_given_time():
    doubts = proven()
    for _ in range(3):
        for _ in range(RETRIES):
            error = doubts.settle("a", 0, doubted("channel", TransientAnswer))
            assert (type(error), error.wait) == (TransientAnswer, CHANNEL_SECONDS)
        doubts.settle("good", 0, None)


def test_pages_are_fatal_only_where_nothing_was_ever_answered():
    for doubts, kind in ((Doubts("serving"), FatalAnswer), (proven(), TransientAnswer)):
        settled = [doubts.settle("a", 0, doubted("page", TransientAnswer, retries=3)) for _ in range(RETRIES + 1)]
        assert [type(error) for error in settled] == [TransientAnswer] * RETRIES + [kind]


def test_a_wrong_parameter_stops_the_run_unless_another_row_passed():
    assert type(Doubts("serving").settle("a", 0, doubted("field", TransientAnswer, retries=0))) is FatalAnswer
    assert type(proven().settle("a", 0, doubted("field", TransientAnswer, retries=0))) is TransientAnswer


@pytest.mark.parametrize(
    ("doubt", "kind", "enough", "words"),
    [
        ("moderation", RefusedAnswer, 5, "serving refused 5 requests in a row under its content policy (HTTP 403)"),
        ("page", TransientAnswer, 4, "serving has sent 4 replies in a row that no API sends"),
        ("row", TransientAnswer, 20, "serving took none of the last 20 requests"),
    ],
)
def test_many_in_a_row_sound_one_alarm(doubt, kind, enough, words, caplog):
    doubts = proven()
    for n in range(enough - 1):
        doubts.settle(f"{n}", 0, doubted(doubt, kind))
    doubts.settle("good", 0, None)
    for n in range(enough - 1):
        doubts.settle(f"{n}", 0, doubted(doubt, kind))
    assert caplog.records == []
    for n in range(3):
        doubts.settle(f"last {n}", 0, doubted(doubt, kind))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(words)
    assert "why" in record.getMessage()
