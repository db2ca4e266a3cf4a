"""Which failures stop a run at once, and which take a second one that confirms them."""

import logging

import pytest

from dataflow.errors import Failure
from dataflow.serving.api.failures.confirmation import CHANNEL_SECONDS, HOLD_SECONDS, RETRIES, Confirmation


def unconfirmed(what, kind="fatal", **more):
    return Failure(kind, "why", said="their words", unconfirmed=what, **more)


def proven():
    confirmation = Confirmation("serving")
    assert confirmation.settle("good", 0, None) is None
    return confirmation


def test_an_account_that_never_answered_is_fatal_at_once():
    assert Confirmation("serving").settle("a", 0, unconfirmed("account")).kind == "fatal"


def test_after_an_answer_an_account_is_fatal_at_two_different_requests_in_a_row():
    confirmation = proven()
    for _ in range(3):
        once_more = confirmation.settle("a", 0, unconfirmed("account"))
        assert (once_more.kind, once_more.retries, once_more.said) == ("retry", 2, "their words")
    assert confirmation.settle("good", 0, None) is None
    assert confirmation.settle("b", 0, unconfirmed("account")).kind == "retry"
    assert confirmation.settle("c", 0, Failure("retry", "HTTP 500")).kind == "retry"
    assert confirmation.settle("d", 0, unconfirmed("account")).kind == "fatal"


@pytest.mark.parametrize(
    "proof", [Failure("refused", "policy"), Failure("retry", "no picture", retries=2, refuse_after=True)]
)
def test_a_refusal_or_a_reply_without_a_picture_proves_the_account_too(proof):
    confirmation = Confirmation("serving")
    confirmation.settle("a", 0, proof)
    assert confirmation.settle("b", 0, unconfirmed("account")).kind == "retry"


def test_credit_is_confirmed_once_by_a_request_sent_after_the_halving():
    confirmation = proven()
    held = confirmation.settle("a", 0, unconfirmed("credit"))
    assert (held.kind, held.keep, held.wait, confirmation.halvings) == ("wait", 0.5, HOLD_SECONDS, 1)
    assert confirmation.settle("b", 0, unconfirmed("credit")).kind == "retry", "sent while twice as many ran"
    assert confirmation.settle("c", 0, None) is None, "an answer to a request from before proves nothing"
    assert confirmation.settle("d", 1, unconfirmed("credit")).kind == "fatal"


@pytest.mark.parametrize("what", ["account", "credit", "channel", "page", "field", "row", "moderation"])
@pytest.mark.parametrize("kind", ["retry", "fatal"])
def test_whatever_is_made_of_a_failure_it_keeps_its_money_and_words_and_is_settled(what, kind):
    for confirmation in (Confirmation("serving"), proven()):
        for _ in range(RETRIES + 2):
            failure = unconfirmed(what, kind, maybe_paid=True, usage={"images": 1.0})
            settled = confirmation.settle("a", confirmation.halvings, failure)
            kept = (settled.reason, settled.said, settled.maybe_paid, settled.usage, settled.unconfirmed)
            assert kept == ("why", "their words", True, {"images": 1.0}, "")


def test_credit_that_suffices_for_half_is_halved_again_later():
    confirmation = proven()
    confirmation.settle("a", 0, unconfirmed("credit"))
    assert confirmation.settle("b", 1, None) is None
    assert confirmation.settle("c", 1, unconfirmed("credit")).keep == 0.5
    assert confirmation.halvings == 2


def test_a_model_without_a_channel_is_asked_three_times_more():
    confirmation = Confirmation("serving")
    for _ in range(RETRIES):
        error = confirmation.settle("a", 0, unconfirmed("channel", "retry"))
        assert (error.kind, error.wait) == ("retry", 0)
        assert confirmation.settle("b", 0, unconfirmed("channel", "retry")).kind == "retry"
    assert confirmation.settle("a", 0, unconfirmed("channel", "retry")).kind == "fatal"


def test_a_channel_that_comes_back_starts_the_count_again_and_is_given_time():
    confirmation = proven()
    for _ in range(3):
        for _ in range(RETRIES):
            error = confirmation.settle("a", 0, unconfirmed("channel", "retry"))
            assert (error.kind, error.wait) == ("retry", CHANNEL_SECONDS)
        confirmation.settle("good", 0, None)


def test_pages_are_fatal_only_where_nothing_was_ever_answered():
    for confirmation, kind in ((Confirmation("serving"), "fatal"), (proven(), "retry")):
        settled = [confirmation.settle("a", 0, unconfirmed("page", "retry", retries=3)) for _ in range(RETRIES + 1)]
        assert [error.kind for error in settled] == ["retry"] * RETRIES + [kind]


def test_a_wrong_parameter_stops_the_run_unless_another_row_passed():
    assert Confirmation("serving").settle("a", 0, unconfirmed("field", "retry", retries=0)).kind == "fatal"
    assert proven().settle("a", 0, unconfirmed("field", "retry", retries=0)).kind == "retry"


@pytest.mark.parametrize(
    ("what", "kind", "enough", "words"),
    [
        ("moderation", "refused", 5, "serving refused 5 requests in a row under its content policy (HTTP 403)"),
        ("page", "retry", 4, "serving has sent 4 replies in a row that no API sends"),
        ("row", "retry", 20, "serving took none of the last 20 requests"),
    ],
)
def test_many_in_a_row_log_one_warning(what, kind, enough, words, caplog):
    confirmation = proven()
    for n in range(enough - 1):
        confirmation.settle(f"{n}", 0, unconfirmed(what, kind))
    confirmation.settle("good", 0, None)
    for n in range(enough - 1):
        confirmation.settle(f"{n}", 0, unconfirmed(what, kind))
    assert caplog.records == []
    for n in range(3):
        confirmation.settle(f"last {n}", 0, unconfirmed(what, kind))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(words)
    assert "why" in record.getMessage()


@pytest.mark.parametrize(("what", "kind", "enough"), [("link", "refused", 2), ("fetch", "retry", 5)])
def test_paid_answers_in_a_row_without_a_picture_stop_the_run(what, kind, enough):
    confirmation = proven()
    for row in ("a", "b"):
        for n in range(enough - 1):
            for _ in range(3):  # the same request proves nothing more
                settled = confirmation.settle(f"{row}{n}", 0, unconfirmed(what, kind, maybe_paid=True))
                # Never refused for good: a setting may heal it.
                assert settled.kind == {"refused": "failed", "retry": "retry"}[kind]
        if row == "a":
            confirmation.settle("good", 0, None)
    settled = confirmation.settle("last", 0, unconfirmed(what, kind, maybe_paid=True))
    assert (settled.kind, settled.maybe_paid) == ("fatal", True)
    assert str(settled) == f"{enough} paid answers in a row without a picture: why"


def test_a_refusal_between_them_does_not_make_pictures_collectable():
    confirmation = proven()
    confirmation.settle("a", 0, unconfirmed("link", "refused"))
    confirmation.settle("b", 0, Failure("refused", "policy"))
    assert confirmation.settle("c", 0, unconfirmed("link", "refused")).kind == "fatal"
