"""Texts over a real server: schemas on the wire, and answers that were cut off."""

import orjson
import pytest

from dataflow.core.records import Request
from dataflow.serving.api.replies import MAX_TEXT
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit import shapes
from tests.kit.asking import ask_each_once, ask_once
from tests.kit.loopback import Act, LoopbackServer

CLOSED = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}}},
    "required": ["words"],
    "additionalProperties": False,
}
PLAIN = Request("Write.", makes="text")
SHAPED = Request("Write.", makes="text", schema=orjson.dumps(CLOSED).decode())


def serving(url, **options):
    return APIVLMServing_openai(url, model_name="nano", **options)


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_sent_only_where_the_serving_is_told_to_and_the_request_has_one(stream):
    with LoopbackServer(count=0) as server:
        ask_each_once(serving(server.url, send_request_stream=stream), [SHAPED])
        ask_each_once(serving(server.url, send_request_stream=stream, send_json_schema=True), [PLAIN, SHAPED])
    first, second, third = (asked.body for asked in server.asked)
    assert "response_format" not in first
    assert "response_format" not in second
    assert third["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": CLOSED},
    }


def test_a_server_that_takes_no_schema_is_asked_without_from_then_on():
    with LoopbackServer(count=0, refuses=("response_format",)) as server:
        answers = ask_each_once(serving(server.url, send_json_schema=True), [SHAPED, SHAPED])
    assert [answer.error for answer in answers] == [None, None]
    assert ["response_format" in asked.body for asked in server.asked] == [True, False, False]


def test_how_a_schema_is_sent_leaves_ids_alone():
    told, untold = (serving("http://localhost", send_json_schema=sent) for sent in (True, False))
    assert told.fingerprint() == untold.fingerprint()


@pytest.mark.parametrize(("finish", "cut"), [("length", True), ("MAX_TOKENS", True), ("stop", False)])
def test_a_text_that_was_cut_off_says_so(finish, cut):
    body = shapes.whole("images", [], "Once upon a", finish)
    with LoopbackServer(acts=[Act(body=orjson.loads(body))]) as server:
        answer = ask_once(serving(server.url), PLAIN)
    assert answer.text == "Once upon a"
    assert answer.usage.get("truncated") == (1.0 if cut else None)
    assert answer.usage["completion_tokens"] == 1290


def test_a_text_without_bound_fails_its_row_and_keeps_little_of_it():
    body = shapes.whole("images", [], "a" * (MAX_TEXT + 1))
    with LoopbackServer(acts=[Act(body=body)]) as server:
        answer = ask_once(serving(server.url), PLAIN)
    assert answer.error is not None
    assert (answer.error.kind, answer.error.maybe_paid) == ("failed", True)
    assert "more than 4,194,304 characters" in answer.error.reason
    assert len(answer.text) <= 10_000
