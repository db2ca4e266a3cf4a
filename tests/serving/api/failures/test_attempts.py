"""Attempts as values: what a reply or an error body says, and what of it may be shown."""

import json

import orjson
import pytest

from dataflow.serving.api.failures.attempts import Attempt, attempt_of, escape, read_error, without_key
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.dialects import chat
from dataflow.serving.dialects.reply import Reply
from tests.kit.http_errors import KEY, TARGET, failure_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 502, "message": "upstream"}, "retry"),
        ({"code": "429", "message": "slow"}, "wait"),
        ({"code": "insufficient_quota"}, "fatal"),
        ({"code": "moderation_blocked"}, "refused"),
        ("something broke", "retry"),
    ],
)
def test_an_error_inside_a_reply_is_read_like_a_status(error, kind):
    body = b"data: " + orjson.dumps({"error": error}) + b"\n\n"
    received = Attempt("answered", 200, body=body)
    assert classify(attempt_of(chat.decode(body), received), TARGET).kind == kind


def test_a_strangers_text_is_one_short_line_without_the_key():
    error = failure_of(400, {"error": {"message": f"bad key {KEY}\n\x1b[31m\u202e" + "x" * 1000}})
    assert error.said.startswith("bad key [key] \\x1b[31m\\u202exxx")
    assert len(error.said) == 300
    assert KEY not in repr(TARGET) + error.reason + error.said
    assert escape("a\tb") == "a b"


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        ({"error": {"code": "Model_Not_Found", "message": "no such model"}}, {"model_not_found"}, "no such model"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "extra", "type": "extra_forbidden"}]}, {"extra_forbidden"}, None),
        ({"errcode": 40001, "errmsg": "bad"}, {"40001"}, "bad"),
        ({"error": {"message": "\u4f59\u989d\u4e0d\u8db3"}}, set(), "余额不足"),
    ],
)
def test_an_error_body_of_json_says_its_codes_and_its_message(body, codes, message):
    error = read_error(json.dumps(body).encode())
    assert (error.codes, error.message) == (codes, message or error.text)


def test_escaped_chinese_is_found_by_a_pattern_of_plain_words():
    assert "余额不足" in read_error(json.dumps({"message": "余额不足"}).encode()).text


def test_an_error_body_of_html_is_a_message_without_tags():
    error = read_error(b"<html><h1>Bad gateway</h1></html>")
    assert (error.codes, error.message.split()) == (frozenset(), ["Bad", "gateway"])


def test_a_whole_reply_without_an_answer_keeps_what_it_charged():
    received = Attempt("answered", 200, {"x": "y"}, b"{}", ended_at=7.0)
    reply = Reply(finish="stop", native_finish="SAFETY", text="no", usage={"total_tokens": 3})
    attempt = attempt_of(reply, received)
    assert attempt == Attempt("finish", 200, {"x": "y"}, b"", "stop", "SAFETY", "no", {"total_tokens": 3})
    assert attempt.ended_at == 7.0


def test_a_target_names_host_and_port_and_never_the_key():
    assert TARGET.host == "10.0.0.5:3000"
    assert KEY not in repr(TARGET)


def test_text_without_the_key_keeps_every_escape():
    text = "100% \\frac{a}{b} &amp; \\u0041 %2F \\/ &#x2F;"
    assert without_key(text, "sk-canary/AbCd+ef0123456789") == text
    assert without_key(text, "") == text
