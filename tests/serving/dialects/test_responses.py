from typing import Any

import orjson
import pytest

from dataflow.core.records import Request, Turn
from dataflow.serving.dialects import responses
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of

RED, BLUE = draw_png(mark_of("red"), 8, 2), draw_png(mark_of("blue"), 8, 2)
ENCODED = {"/a.png": ("image/png", RED), "/b.jpg": ("image/jpeg", b"jpeg")}


def body_of(request, **options):
    post = responses.encode(request, ENCODED, **{"model": "m", "fields": {}, "stream": False, **options})
    assert post.path == "/responses"
    return orjson.loads(post.content)


def streamed(*told, done=False):
    lines = [b"event: " + each["type"].encode() + b"\ndata: " + orjson.dumps(each) for each in told]
    return b"\n\n".join([*lines, b"data: [DONE]"] if done else lines) + b"\n\n"


def test_each_picture_is_a_part_of_its_own_and_the_tool_is_required():
    body = body_of(Request("swap them", ("/a.png", "/b.jpg"), size=(1536, 1024), seed=7), stream=True)
    (message,) = body.pop("input")
    assert message["role"] == "user"
    assert message["content"][0] == {"type": "input_text", "text": "swap them"}
    assert message["content"][1] == {"type": "input_image", "image_url": shapes.data_url(RED)}
    assert message["content"][2]["image_url"].startswith("data:image/jpeg;base64,")
    assert body == {
        "model": "m",
        "tools": [{"type": "image_generation", "size": "1536x1024"}],
        "tool_choice": {"type": "image_generation"},
        "stream": True,
    }


def test_a_text_uses_no_tool_and_what_the_model_drew_comes_back_as_input():
    turns = (Turn("system", "Be brief."), Turn("assistant", "Here.", ("/a.png",)))
    body = body_of(Request("And now?", makes="text", turns=turns))
    assert "tools" not in body
    system, said, shown, asked = body["input"]
    assert system == {"role": "system", "content": "Be brief."}
    assert said == {"role": "assistant", "content": "Here."}
    assert (shown["role"], [part["type"] for part in shown["content"]]) == ("user", ["input_image"])
    assert asked == {"role": "user", "content": "And now?"}


def test_fields_are_sent_as_they_are_and_win():
    fields = {"tools": [{"type": "image_generation", "quality": "low"}], "store": False}
    body = body_of(Request("x", size=(64, 64)), fields=fields)
    assert (body["tools"], body["store"]) == (fields["tools"], False)


def test_sampling_and_schema_have_their_own_names():
    assert responses.sampling_fields({"temperature": 1.0, "max_tokens": 5}) == {
        "temperature": 1.0,
        "max_output_tokens": 5,
    }
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert responses.schema_fields(orjson.dumps(schema).decode()) == {
        "text": {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}}
    }


def test_previews_do_not_count_and_the_last_event_does():
    told = shapes.events("responses", [RED, BLUE], "Here.")
    assert responses.decode(streamed(*told)).images == (RED, BLUE)
    assert responses.decode(streamed(*told[:-1])).trouble == "truncated"


@pytest.mark.parametrize("done", [False, True])
def test_an_output_told_only_item_by_item_counts(done):
    told = shapes.events("responses", [RED], "Here.")
    told[-1]["response"]["output"] = []
    reply = responses.decode(streamed(*(told[:-1] if done else told), done=done))
    assert (reply.images, reply.text) == ((RED,), "Here.")


def response(*output, **fields):
    return {"status": "completed", "error": None, "output": list(output), **fields}


CALL = {"type": "image_generation_call", "result": None}
BLOCKED = {"code": "moderation_blocked", "message": "no", "type": "image_generation_error"}
REFUSAL = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
REFUSED = {"incomplete_details": {"reason": "content_filter"}, "status": "incomplete"}
CUT = {"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (response(CALL | {"status": "failed", "error": BLOCKED}), ("completed", BLOCKED, "", "")),
        (response(status="failed", error={"code": "server_error"}), ("", {"code": "server_error"}, "", "")),
        (response(REFUSAL), ("completed", None, "", "I will not.")),
        (response(**CUT), ("length", None, "", "")),
        (response(**REFUSED), ("content_filter", None, "", "")),
        (response(status="queued"), ("", None, "task", "")),
        (response(), ("completed", None, "empty", "")),
        (response(CALL | {"result": "@"}), ("completed", None, "bad_picture", "")),
        ({"task_id": "7"}, ("", None, "task", "")),
        ({}, ("", None, "empty", "")),
    ],
)
def test_what_holds_no_picture_says_why(body, expected):
    reply = responses.decode(orjson.dumps(body))
    assert reply.images == ()
    assert (reply.finish, reply.error, reply.trouble, reply.text) == expected


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.failed", "response": response(status="failed", error={"code": "rate_limit_exceeded"})},
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow down"},
    ],
)
def test_a_failure_in_mid_stream_is_an_error(event):
    told = shapes.events("responses", [RED])[:3]
    error: Any = responses.decode(streamed(*told, event)).error
    assert error["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("tools", [[{"type": "image_generation", "quality": "high"}, {"type": "web_search"}], []])
def test_tools_of_the_users_do_not_lose_the_mask_of_the_row(tools):
    body = body_of(Request("make it red", ("/a.png",), mask="/a.png"), fields={"tools": tools})
    drawing, *others = body["tools"]
    assert drawing["input_image_mask"] == {"image_url": shapes.data_url(RED)}
    assert drawing.get("quality") == (tools[0]["quality"] if tools else None)
    assert others == tools[1:]
