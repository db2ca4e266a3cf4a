import orjson
import pytest

from dataflow.core.records import Request, Turn
from dataflow.serving.dialects import gemini
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of

RED, BLUE = draw_png(mark_of("red"), 8, 2), draw_png(mark_of("blue"), 8, 2)
ENCODED = {"/a.png": ("image/png", RED), "/b.jpg": ("image/jpeg", b"jpeg")}
B64 = {name: shapes.data_url(data).partition(",")[2] for name, data in (("red", RED), ("jpeg", b"jpeg"))}


def encode(request, **options):
    return gemini.encode(request, ENCODED, **{"model": "nano", "fields": {}, "stream": False, **options})


def body_of(request, **options):
    return orjson.loads(encode(request, **options).content)


def candidate(*parts, **fields):
    return orjson.dumps({"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP", **fields}]})


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-2.5-flash-image", False, "/models/gemini-2.5-flash-image:generateContent"),
        ("models/nano", True, "/models/nano:streamGenerateContent?alt=sse"),
        ("google/nano", False, "/models/google/nano:generateContent"),
        ("a?b#c d", False, "/models/a%3Fb%23c%20d:generateContent"),
    ],
)
def test_the_model_and_the_stream_are_in_the_path(model, stream, path):
    assert encode(Request("x"), model=model, stream=stream).path == path


def test_each_picture_is_a_part_of_its_own():
    body = body_of(Request("swap them", ("/a.png", "/b.jpg"), seed=7))
    assert body == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "swap them"},
                    {"inlineData": {"mimeType": "image/png", "data": B64["red"]}},
                    {"inlineData": {"mimeType": "image/jpeg", "data": B64["jpeg"]}},
                ],
            }
        ],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "seed": 7},
    }


TURNS = (Turn("system", "Be brief."), Turn("user", "", ("/a.png",)), Turn("assistant", "A cat."))


def test_a_system_prompt_is_an_instruction_for_texts_and_the_first_words_for_pictures():
    text = body_of(Request("And now?", turns=TURNS, makes="text"))
    assert text["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert "generationConfig" not in text
    assert [content["role"] for content in text["contents"]] == ["user", "model", "user"]
    picture = body_of(Request("And now?", turns=TURNS))
    assert "systemInstruction" not in picture
    assert [content["role"] for content in picture["contents"]] == ["user", "model", "user"]
    assert [list(part) for part in picture["contents"][0]["parts"]] == [["text"], ["inlineData"]]


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((1024, 1024), {"aspectRatio": "1:1"}),
        ((1344, 768), {"aspectRatio": "16:9"}),
        ((2048, 2048), {"aspectRatio": "1:1", "imageSize": "2K"}),
        ((3072, 4096), {"aspectRatio": "3:4", "imageSize": "4K"}),
    ],
)
def test_a_size_is_an_aspect_ratio_and_a_step(size, config):
    assert body_of(Request("x", size=size))["generationConfig"]["imageConfig"] == config


def test_fields_of_the_user_are_merged_into_the_configuration_and_win():
    fields = {"generationConfig": {"temperature": 0.5, "responseModalities": ["IMAGE"]}, "safetySettings": []}
    body = body_of(Request("x", seed=7), fields=fields)
    assert body["generationConfig"] == {"responseModalities": ["IMAGE"], "seed": 7, "temperature": 0.5}
    assert body["safetySettings"] == []


def test_sampling_and_schema_are_part_of_the_configuration():
    assert gemini.sampling_fields({}) == {}
    assert gemini.sampling_fields({"temperature": 1.0, "max_tokens": 5}) == {
        "generationConfig": {"temperature": 1.0, "maxOutputTokens": 5}
    }
    assert gemini.schema_fields('{"type": "object"}') == {
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}
    }


def test_a_stream_without_server_sent_events_is_an_array():
    told = shapes.events("gemini", [RED], "Here.")
    body = orjson.dumps(told)
    reply = gemini.decode(body)
    assert (reply.images, reply.text, reply.finish, reply.trouble) == ((RED,), "Here.", "STOP", "")
    assert {gemini.decode(body[:at]).trouble for at in range(1, len(body))} == {"truncated"}


def test_a_thought_is_no_answer_nor_is_its_sketch():
    sketch = {"thought": True, "inlineData": {"data": "AAAA"}}
    reply = gemini.decode(candidate({"thought": True, "text": "hm"}, sketch, {"text": "No."}))
    assert (reply.images, reply.text, reply.trouble) == ((), "No.", "")


def test_candidates_are_read_in_the_order_of_their_numbers():
    told = [{"index": 1, "content": {"parts": [{"inlineData": {"data": shapes.data_url(BLUE)}}]}}]
    told += [{"index": 0, "content": {"parts": [{"inlineData": {"data": shapes.data_url(RED)}}]}}]
    assert gemini.decode(orjson.dumps({"candidates": told})).images == (RED, BLUE)


def test_a_gateways_markdown_is_understood_too():
    reply = gemini.decode(candidate({"text": f"Here: ![x]({shapes.data_url(RED)})"}))
    assert (reply.images, reply.text) == ((RED,), "Here:")


def test_one_candidate_that_has_not_ended_makes_a_stream_truncated():
    lines: list[object] = [{"candidates": [{"index": k, "content": {"parts": []}}]} for k in (0, 1)]
    lines.append({"candidates": [{"index": 0, "finishReason": "STOP"}]})
    body = b"".join(b"data: " + orjson.dumps(line) + b"\n\n" for line in lines)
    assert gemini.decode(body).trouble == "truncated"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ("", "PROHIBITED_CONTENT", "")),
        ({"prompt_feedback": {"block_reason": "SAFETY"}}, ("", "SAFETY", "")),
        ({"candidates": []}, ("", "", "empty")),
        ({"task_id": "7"}, ("", "", "task")),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "no"}]}, ("IMAGE_SAFETY", "", "")),
        ({"candidates": [{"finish_reason": "NO_IMAGE", "content": {}}]}, ("NO_IMAGE", "", "")),
        ({"candidates": [{"content": {"parts": [{"inlineData": {"data": "@"}}]}}]}, ("", "", "bad_picture")),
    ],
)
def test_what_holds_no_picture_says_why(body, expected):
    reply = gemini.decode(orjson.dumps(body))
    assert reply.images == ()
    assert (reply.finish, reply.native_finish, reply.trouble) == expected


def test_a_stream_that_ends_with_a_block_is_not_truncated():
    body = b'data: {"promptFeedback": {"blockReason": "SAFETY"}}\n\n'
    assert gemini.decode(body).native_finish == "SAFETY"


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]])
def test_an_error_after_http_200_is_an_error(wrap):
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}
    assert gemini.decode(orjson.dumps(wrap(error))).error == error["error"]
