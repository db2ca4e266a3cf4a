"""What each failed attempt means: the table, from its endings and statuses to who must act."""

from dataclasses import replace
from string import Formatter
from typing import get_args

import pytest

from dataflow.serving.api.failures.attempts import Attempt, Ending, Target
from dataflow.serving.api.failures.catalogue import RULES
from dataflow.serving.api.failures.classify import classify
from tests.kit.http_errors import PER_DAY, TARGET, ZERO, failure_of


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
    error = failure_of(code, body)
    assert error.kind == "fatal"
    assert says in error.reason


@pytest.mark.parametrize("path", ["/images/edits", "/images/generations"])
def test_an_address_without_the_images_api_names_the_other_format(path):
    error = failure_of(404, {"detail": "Not Found"}, target=Target(TARGET.address, path, "nano", "DF_API_KEY"))
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
    assert failure_of(code, body).kind == "refused"


def test_an_unknown_parameter_called_moderation_is_no_refusal():
    error = failure_of(400, {"error": {"message": "Unknown parameter: 'moderation'.", "param": "moderation"}})
    assert (error.kind, error.retries) == ("retry", 0)


@pytest.mark.parametrize("code", [408, 409, 425, 500, 502, 503, 520, 521, 522, 523])
def test_a_server_in_trouble_is_asked_again(code):
    error = failure_of(code, "<html><h1>Bad   gateway</h1></html>", {"retry-after": "2"})
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


def test_every_end_of_an_attempt_has_a_rule():
    ends = [name for part in get_args(Ending) for name in get_args(part)]
    assert "lost" in ends
    for on in ends:
        if on != "answered":
            assert classify(Attempt(on), TARGET).reason


def test_every_reason_of_the_table_can_be_written():
    fields = {name for rule in RULES for _, name, _, _ in Formatter().parse(rule.reason) if name}
    assert {"host", "model", "said"} <= fields
    for rule in RULES:
        words = rule.reason.format_map(dict.fromkeys(fields, "x"))
        assert words
        assert words[0] not in " :,"


def test_no_rule_stands_behind_one_that_always_holds_first():
    always = [rule.ending for rule in RULES if replace(rule, kind="retry", reason="") == plain(rule)]
    assert len(always) == len(set(always))
    for ending in always:
        last = [rule for rule in RULES if rule.ending == ending][-1]
        assert replace(last, kind="retry", reason="") == plain(last), f"rules for {ending!r} that are never reached"


def plain(rule):
    """The rule without its conditions."""
    conditions = {"status": frozenset(), "codes": frozenset(), "says": "", "path": ""}
    return replace(rule, kind="retry", reason="", asks_to_wait=False, names_field=False, **conditions)
