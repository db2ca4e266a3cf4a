"""What is not believed at first sight, and which second sight it takes."""

import logging

import pytest

from dataflow.errors import Failure
from dataflow.serving.api.failures.confirmation import CHANNEL_SECONDS, HOLD_SECONDS, RETRIES, Doubts


def doubted(doubt, kind="fatal", **more):
    return Failure(kind, "why", said="their words", doubt=doubt, **more)


def proven():
    doubts = Doubts("serving")
    assert doubts.settle("good", 0, None) is None
    return doubts


def test_an_account_is_doubted_at_once_if_nothing_was_ever_answered():
    assert Doubts("serving").settle("a", 0, doubted("account")).kind == "fatal"


def test_after_an_answer_it_takes_two_different_samples_in_a_row():
    doubts = proven()
    for _ in range(3):
        once_more = doubts.settle("a", 0, doubted("account"))
        assert (once_more.kind, once_more.retries, once_more.said) == ("retry", 2, "their words")
    assert doubts.settle("good", 0, None) is None
    assert doubts.settle("b", 0, doubted("account")).kind == "retry"
    assert doubts.settle("c", 0, Failure("retry", "HTTP 500")).kind == "retry"
    assert doubts.settle("d", 0, doubted("account")).kind == "fatal"


@pytest.mark.parametrize(
    "proof", [Failure("refused", "policy"), Failure("retry", "no picture", retries=2, refuse_after=True)]
)
def test_a_refusal_or_a_reply_without_a_picture_proves_the_account_too(proof):
    doubts = Doubts("serving")
    doubts.settle("a", 0, proof)
    assert doubts.settle("b", 0, doubted("account")).kind == "retry"


def test_credit_is_confirmed_once_by_a_request_sent_after_the_halving():
    doubts = proven()
    held = doubts.settle("a", 0, doubted("credit"))
    assert (held.kind, held.keep, held.wait, doubts.halvings) == ("wait", 0.5, HOLD_SECONDS, 1)
    assert doubts.settle("b", 0, doubted("credit")).kind == "retry", "sent while twice as many ran"
    assert doubts.settle("c", 0, None) is None, "an answer to a request from before proves nothing"
    assert doubts.settle("d", 1, doubted("credit")).kind == "fatal"


@pytest.mark.parametrize("doubt", ["account", "credit", "channel", "page", "field", "row", "moderation"])
@pytest.mark.parametrize("kind", ["retry", "fatal"])
def test_whatever_is_made_of_a_failure_it_keeps_its_money_and_words_and_is_no_longer_doubted(doubt, kind):
    for doubts in (Doubts("serving"), proven()):
        for _ in range(RETRIES + 2):
            settled = doubts.settle("a", doubts.halvings, doubted(doubt, kind, maybe_paid=True, usage={"images": 1.0}))
            kept = (settled.reason, settled.said, settled.maybe_paid, settled.usage, settled.doubt)
            assert kept == ("why", "their words", True, {"images": 1.0}, "")


def test_credit_that_suffices_for_half_is_halved_again_later():
    doubts = proven()
    doubts.settle("a", 0, doubted("credit"))
    assert doubts.settle("b", 1, None) is None
    assert doubts.settle("c", 1, doubted("credit")).keep == 0.5
    assert doubts.halvings == 2


def test_a_model_without_a_channel_is_asked_three_times_more():
    doubts = Doubts("serving")
    for _ in range(RETRIES):
        error = doubts.settle("a", 0, doubted("channel", "retry"))
        assert (error.kind, error.wait) == ("retry", 0)
        assert doubts.settle("b", 0, doubted("channel", "retry")).kind == "retry"
    assert doubts.settle("a", 0, doubted("channel", "retry")).kind == "fatal"


def test_a_channel_that_comes_back_starts_the_count_again_and_is_given_time():
    doubts = proven()
    for _ in range(3):
        for _ in range(RETRIES):
            error = doubts.settle("a", 0, doubted("channel", "retry"))
            assert (error.kind, error.wait) == ("retry", CHANNEL_SECONDS)
        doubts.settle("good", 0, None)


def test_pages_are_fatal_only_where_nothing_was_ever_answered():
    for doubts, kind in ((Doubts("serving"), "fatal"), (proven(), "retry")):
        settled = [doubts.settle("a", 0, doubted("page", "retry", retries=3)) for _ in range(RETRIES + 1)]
        assert [error.kind for error in settled] == ["retry"] * RETRIES + [kind]


def test_a_wrong_parameter_stops_the_run_unless_another_row_passed():
    assert Doubts("serving").settle("a", 0, doubted("field", "retry", retries=0)).kind == "fatal"
    assert proven().settle("a", 0, doubted("field", "retry", retries=0)).kind == "retry"


@pytest.mark.parametrize(
    ("doubt", "kind", "enough", "words"),
    [
        ("moderation", "refused", 5, "serving refused 5 requests in a row under its content policy (HTTP 403)"),
        ("page", "retry", 4, "serving has sent 4 replies in a row that no API sends"),
        ("row", "retry", 20, "serving took none of the last 20 requests"),
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


@pytest.mark.parametrize(("doubt", "kind", "enough"), [("link", "refused", 2), ("fetch", "retry", 5)])
def test_paid_answers_in_a_row_without_a_picture_stop_the_run(doubt, kind, enough):
    doubts = proven()
    for row in ("a", "b"):
        for n in range(enough - 1):
            for _ in range(3):  # the same sample proves nothing more
                settled = doubts.settle(f"{row}{n}", 0, doubted(doubt, kind, maybe_paid=True))
                # Never refused for good: a setting may heal it.
                assert settled.kind == {"refused": "failed", "retry": "retry"}[kind]
        if row == "a":
            doubts.settle("good", 0, None)
    settled = doubts.settle("last", 0, doubted(doubt, kind, maybe_paid=True))
    assert (settled.kind, settled.maybe_paid) == ("fatal", True)
    assert str(settled) == f"{enough} paid answers in a row without a picture: why"


def test_a_refusal_between_them_does_not_make_pictures_collectable():
    doubts = proven()
    doubts.settle("a", 0, doubted("link", "refused"))
    doubts.settle("b", 0, Failure("refused", "policy"))
    assert doubts.settle("c", 0, doubted("link", "refused")).kind == "fatal"
