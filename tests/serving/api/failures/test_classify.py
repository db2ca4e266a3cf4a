from dataclasses import replace
from typing import get_args

import orjson
import pytest

from dataflow.serving.api.failures.attempts import Attempt, Ending, Target, attempt_of, escape
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.dialects import chat

KEY = "sk-canary-5f1c"
TARGET = Target("http://10.0.0.5:3000/v1", "/chat/completions", "nano", "DF_API_KEY", KEY)


def status(code, body=None, headers=None, target=TARGET):
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body or {})
    return classify(Attempt("status", code, headers or {}, raw), target)


def google(status_name, quota="", message="You exceeded your current quota", **details):
    violations = [{"violations": [{"quotaId": quota}]}] if quota else []
    return [{"error": {"code": 429, "status": status_name, "message": message, "details": [*violations, details]}}]


PER_MINUTE = google("RESOURCE_EXHAUSTED", "GenerateRequestsPerMinutePerProjectPerModel", retryDelay="37s")
PER_DAY = google("RESOURCE_EXHAUSTED", "GenerateRequestsPerDayPerProjectPerModel-FreeTier", retryDelay="37s")
ZERO = google("RESOURCE_EXHAUSTED", message="Quota exceeded, limit: 0, model: nano")


@pytest.mark.parametrize(
    ("code", "body", "headers", "wait"),
    [
        (429, {"error": {"code": "rate_limit_exceeded", "message": "try again in 1.5s"}}, {}, 1.5),
        (429, {"error": {"code": "slow_down"}}, {"retry-after": "3"}, 3),
        (429, PER_MINUTE, {}, 37),
        (402, {"error": {"message": "in flight budget"}}, {"retry-after": "2"}, 2),
        (529, "overloaded", {}, 0),
        (503, {"error": {"status": "RESOURCE_EXHAUSTED"}}, {"llm_provider-retry-after": "4"}, 4),
    ],
)
def test_a_server_that_wants_less_is_waited_for(code, body, headers, wait):
    error = status(code, body, headers)
    assert error.kind == "wait"
    assert (error.wait, error.retries, error.maybe_paid) == (wait, None, False)


@pytest.mark.parametrize(
    ("code", "body", "says"),
    [
        (401, {"error": {"message": "no"}}, "DF_API_KEY"),
        (400, {"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}, "DF_API_KEY"),
        (403, {"error": {"message": "no access to this"}}, "no access to this"),
        (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, "top up"),
        (429, PER_DAY, "used up for today"),
        (429, ZERO, "zero for nano"),
        (429, {"error": {"code": "project_spend_limit_exceeded"}}, "top up"),
        (400, {"error": {"code": "billing_hard_limit_reached"}}, "top up"),
        (402, {}, "top up"),
        (403, {"error": {"code": "insufficient_user_quota", "message": "用户额度不足"}}, "fewer requests"),
        (404, {"error": {"code": "model_not_found", "message": "The model `nano` does not exist"}}, "model nano"),
        (400, {"error": {"message": "nano is not a valid model ID"}}, "model nano"),
        (404, "<html>404</html>", "try http://10.0.0.5:3000/v1"),
        (308, "", "redirect"),
    ],
)
def test_what_no_request_can_pass_is_fatal_and_says_what_to_do(code, body, says):
    error = status(code, body)
    assert error.kind == "fatal"
    assert says in error.reason


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("gemini-2.5-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-2.5-flash-image", "gemini-3.1-flash-image"),
        ("gemini-3.1-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
    ],
)
def test_the_retired_model_is_told_its_successor(model, successor):
    target = Target(TARGET.address, TARGET.path, model, "DF_API_KEY")
    unknown = status(404, {"error": {"message": f"models/{model} is not found"}}, target=target)
    assert unknown.kind == "fatal"
    no_channel = status(503, {"error": {"code": "model_not_found", "message": "No available channel"}}, target=target)
    assert (no_channel.kind, no_channel.unconfirmed) == ("retry", "channel")
    line = f'change one line, to model_name="{successor}")'
    assert unknown.reason.endswith(line)
    assert no_channel.reason.endswith(line)
    assert status(503, "busy", target=target).reason.endswith(line)


def test_a_model_that_has_still_a_while_is_told_its_successor_only_where_it_is_unknown():
    attempt = Attempt("status", 404, body=b'{"error": {"code": "model_not_found"}}', ended_at=1_700_000_000.0)
    target = Target(TARGET.address, TARGET.path, "gpt-4o", "DF_API_KEY")
    assert "gpt-6-luna" in classify(attempt, target).reason
    assert "gpt-6-luna" not in classify(replace(attempt, status=503, body=b"busy"), target).reason


@pytest.mark.parametrize("path", ["/images/edits", "/images/generations"])
def test_an_address_without_the_images_api_names_the_other_format(path):
    error = status(404, {"detail": "Not Found"}, target=Target(TARGET.address, path, "nano", "DF_API_KEY"))
    assert error.kind == "fatal"
    assert 'api_format="chat"' in error.reason


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (400, {"error": {"code": "moderation_blocked", "message": "rejected by the safety system"}}),
        (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}),
        (500, {"error": {"code": "content_policy_violation"}}),
        (413, "too large"),
        (400, {"error": {"message": "Request payload size exceeds the limit: 20971520 bytes."}}),
    ],
)
def test_what_is_refused_for_good_concerns_this_request_alone(code, body):
    assert status(code, body).kind == "refused"


def test_an_unknown_parameter_called_moderation_is_no_refusal():
    error = status(400, {"error": {"message": "Unknown parameter: 'moderation'.", "param": "moderation"}})
    assert (error.kind, error.retries) == ("retry", 0)


@pytest.mark.parametrize("code", [408, 409, 425, 500, 502, 503, 520, 521, 522, 523])
def test_a_server_in_trouble_is_asked_again(code):
    error = status(code, "<html><h1>Bad   gateway</h1></html>", {"retry-after": "2"})
    assert error.kind == "retry"
    assert (error.retries, error.maybe_paid, error.wait, error.said) == (None, False, 2, "Bad gateway")


@pytest.mark.parametrize(
    "attempt", [Attempt("status", 504), Attempt("status", 524), Attempt("lost"), Attempt("truncated")]
)
def test_what_may_have_been_paid_is_asked_once_more(attempt):
    error = classify(attempt, TARGET)
    assert (error.kind, error.retries, error.maybe_paid) == ("retry", 1, True)


@pytest.mark.parametrize(
    ("on", "retries", "refuse_after"),
    [
        ("unconnected", None, False),
        ("unsent", None, False),
        ("blank", 3, False),
        ("html", 3, False),
        ("not_json", 3, False),
        ("empty", 2, False),
        ("bad_picture", 2, True),
    ],
)
def test_other_ends_are_asked_again_as_often_as_they_deserve(on, retries, refuse_after):
    error = classify(Attempt(on, 200), TARGET)
    assert error.kind == "retry"
    assert (error.retries, error.refuse_after, error.maybe_paid) == (retries, refuse_after, False)


def test_a_reply_without_an_answer_is_refused_for_good_only_where_its_tokens_are_charged():
    assert classify(Attempt("empty", 200, usage={"total_tokens": 1300.0}), TARGET).refuse_after
    assert not classify(Attempt("empty", 200, usage={"total_tokens": 0.0}), TARGET).refuse_after


@pytest.mark.parametrize("words", ["Quota exhausted for requests per minute", "quota is exhausted, resets in an hour"])
def test_a_quota_of_a_time_that_is_used_up_is_no_empty_account(words):
    assert status(429, {"error": {"message": words}}).kind == "wait"
    assert status(429, {"error": {"message": "Your quota has been exhausted"}}).kind == "fatal"


@pytest.mark.parametrize(
    ("finish", "native", "kind", "retries"),
    [
        ("content_filter", "", "refused", None),
        ("stop", "IMAGE_SAFETY", "refused", None),
        ("", "PROHIBITED_CONTENT", "refused", None),
        ("length", "MAX_TOKENS", "refused", None),
        ("content_filter", "NO_IMAGE", "retry", 2),
        ("OTHER", "", "retry", 2),
        ("stop", "", "retry", 2),
        ("", "", "retry", 2),
        ("error", "", "retry", None),
        ("brand_new", "", "retry", 1),
    ],
)
def test_finish_reasons(finish, native, kind, retries):
    error = classify(Attempt("finish", 200, finish=finish, native_finish=native, text="Sorry.", usage={"n": 1}), TARGET)
    assert error.kind == kind
    assert (error.said, error.usage) == ("Sorry.", {"n": 1})
    if kind == "retry":
        assert (error.retries, error.refuse_after) == (retries, finish != "error")


def test_a_relay_that_wants_polling_is_unsupported():
    error = classify(Attempt("task", 200), TARGET)
    assert error.kind == "fatal"
    assert "not supported" in error.reason


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


def test_every_end_of_an_attempt_has_a_rule():
    ends = [name for part in get_args(Ending) for name in get_args(part)]
    assert "lost" in ends
    for on in ends:
        if on != "answered":
            assert classify(Attempt(on), TARGET).reason


def test_a_strangers_text_is_one_short_line_without_the_key():
    error = status(400, {"error": {"message": f"bad key {KEY}\n\x1b[31m\u202e" + "x" * 1000}})
    assert error.said.startswith("bad key [key] \\x1b[31m\\u202exxx")
    assert len(error.said) == 300
    assert KEY not in repr(TARGET) + error.reason + error.said
    assert escape("a\tb") == "a b"
