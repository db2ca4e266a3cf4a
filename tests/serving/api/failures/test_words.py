"""The words by which servers name what is wrong: which texts each pattern matches."""

import re

import pytest

from dataflow.serving.api.failures import words
from tests.kit.http_errors import failure_of


@pytest.mark.parametrize("words", ["Quota exhausted for requests per minute", "quota is exhausted, resets in an hour"])
def test_a_quota_of_a_time_that_is_used_up_is_no_empty_account(words):
    assert failure_of(429, {"error": {"message": words}}).kind == "wait"
    assert failure_of(429, {"error": {"message": "Your quota has been exhausted"}}).kind == "fatal"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (words.NO_CREDIT, "insufficient balance"),
        (words.NO_CREDIT, "this request requires more credits"),
        (words.NO_CREDIT, "账户已欠费"),
        (words.NO_CREDIT, "your credits have been used up"),
        (words.SCARCE, "用户额度不足"),
        (words.NO_KEY, "incorrect api key provided: sk-1"),
        (words.NO_KEY, "无效的令牌"),
        (words.RATE_LIMIT, "too many requests"),
        (words.REFUSED, "rejected as a result of our safety system"),
        (words.REFUSED, "blocked by our own moderation"),
        (words.SOME, '{"code": 1, "message": "the upstream is gone"}'),
    ],
)
def test_a_servers_words_are_known(pattern, text):
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (words.NO_CREDIT, "you exceeded your current quota"),  # Google says so of a minute's limit, too
        (words.NO_CREDIT, "quota has been exhausted, retry in a minute"),
        (words.NO_KEY, "the key of the picture is a house"),
        (words.RATE_LIMIT, "a picture of a crowd"),
        (words.REFUSED, "unknown parameter: moderation"),
        (words.SOME, '{"code": 0, "message": "ok"}'),
        (words.SOME, '{"msg": "success"}'),
    ],
)
def test_other_words_are_not_taken_for_them(pattern, text):
    assert not re.search(pattern, text)


@pytest.mark.parametrize(
    ("text", "is_notice"),
    [
        ("your balance is too low, please recharge at the billing page", True),
        ("余额不足，请充值", True),
        ("a sign that says: recharge the battery here", False),
        ('{"balance": "your balance is too low, please recharge"}', False),
        ("your balance is too low, please recharge. " + "and so on " * 70, False),
    ],
)
def test_a_notice_in_place_of_an_answer_is_short_says_what_to_do_and_is_no_json(text, is_notice):
    assert bool(re.search(words.NO_CREDIT_NOTICE, text)) == is_notice
