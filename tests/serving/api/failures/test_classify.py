from dataclasses import replace

import pytest

from dataflow.serving.api.failures.attempts import Attempt, Target
from dataflow.serving.api.failures.classify import classify
from tests.kit.http_errors import PER_MINUTE, TARGET, failure_of


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
    error = failure_of(code, body, headers)
    assert error.kind == "wait"
    assert (error.wait, error.retries, error.maybe_paid) == (wait, None, False)


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
    unknown = failure_of(404, {"error": {"message": f"models/{model} is not found"}}, target=target)
    assert unknown.kind == "fatal"
    no_channel = failure_of(
        503, {"error": {"code": "model_not_found", "message": "No available channel"}}, target=target
    )
    assert (no_channel.kind, no_channel.unconfirmed) == ("retry", "channel")
    line = f'change one line, to model_name="{successor}")'
    assert unknown.reason.endswith(line)
    assert no_channel.reason.endswith(line)
    assert failure_of(503, "busy", target=target).reason.endswith(line)


def test_a_model_that_has_still_a_while_is_told_its_successor_only_where_it_is_unknown():
    attempt = Attempt("status", 404, body=b'{"error": {"code": "model_not_found"}}', ended_at=1_700_000_000.0)
    target = Target(TARGET.address, TARGET.path, "gpt-4o", "DF_API_KEY")
    assert "gpt-6-luna" in classify(attempt, target).reason
    assert "gpt-6-luna" not in classify(replace(attempt, status=503, body=b"busy"), target).reason


def test_a_reply_without_an_answer_is_refused_for_good_only_where_its_tokens_are_charged():
    assert classify(Attempt("empty", 200, usage={"total_tokens": 1300.0}), TARGET).refuse_after
    assert not classify(Attempt("empty", 200, usage={"total_tokens": 0.0}), TARGET).refuse_after
