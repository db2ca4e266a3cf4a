from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.records import Request, Turn
from dataflow.serving.dialects import chat
from dataflow.serving.dialects.chat import response_format
from dataflow.serving.dialects.reply import UrlRef
from tests.kit import shapes
from tests.kit.drawing import draw, draw_png, mark_of

RED, BLUE = draw_png(mark_of("red")), draw_png(mark_of("blue"))
ENCODED = {"/a.png": ("image/png", RED), "/b.jpg": ("image/jpeg", b"jpeg")}
ONE_ONLY = ("image", "bare")
CLOSED = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}}},
    "required": ["words"],
    "additionalProperties": False,
}


def body_of(request, **options):
    post = chat.encode(request, ENCODED, **{"model": "m", "fields": {}, "stream": False, **options})
    assert post.path == "/chat/completions"
    return orjson.loads(post.content)


def test_each_picture_is_a_part_of_its_own():
    (message,) = body_of(Request("swap them", ("/a.png", "/b.jpg")))["messages"]
    text, first, second = message["content"]
    assert text == {"type": "text", "text": "swap them"}
    assert first["image_url"]["url"] == shapes.data_url(RED)
    assert second["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_turns_come_before_the_prompt_and_a_text_alone_is_a_string():
    turns = (Turn("system", "Be brief."), Turn("user", "", ("/a.png",)), Turn("assistant", "A cat."))
    messages = body_of(Request("And now?", (), "text", turns))["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in messages[1]["content"]] == ["image_url"]
    assert messages[3]["content"] == "And now?"


def test_fields_are_sent_as_they_are_and_win():
    body = body_of(Request("x", seed=7), fields={"temperature": 0.5, "model": "n"}, stream=True)
    assert (body["seed"], body["temperature"], body["model"], body["stream"]) == (7, 0.5, "n", True)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("make", [shapes.whole, shapes.streamed])
@pytest.mark.parametrize("shape", shapes.CHAT_SHAPES)
def test_every_shape_gives_its_picture(shape, make, kind):
    picture = draw(kind, mark_of("x"))
    reply = chat.decode(make(shape, [picture], "Here."))
    assert reply.images == (picture,)
    assert reply.text == ("" if shape == "bare" else "Here.")
    assert (reply.finish, reply.trouble, reply.usage["completion_tokens"]) == ("stop", "", 1290)


@pytest.mark.parametrize("make", [shapes.whole, shapes.streamed])
@pytest.mark.parametrize("shape", [shape for shape in shapes.CHAT_SHAPES if shape not in ONE_ONLY])
def test_several_pictures_keep_their_order(shape, make):
    assert chat.decode(make(shape, [RED, BLUE])).images == (RED, BLUE)


def test_the_same_picture_in_two_fields_counts_once():
    message = shapes.message("images", [RED], "") | shapes.message("markdown", [RED], "ok")
    reply = chat.decode(orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert (reply.images, reply.text) == ((RED,), "ok")


def test_a_damaged_field_gives_way_to_a_valid_one():
    message = shapes.message("markdown", [RED], "ok") | {"images": [{"image_url": {"url": "data:image/png;base64,@@"}}]}
    assert chat.decode(orjson.dumps({"choices": [{"message": message}]})).images == (RED,)


@pytest.mark.parametrize("data", ["@@@@", "QUJDR", "", "QUJDRA=A"])
def test_what_is_no_base64_is_no_picture(data):
    message = {"content": f"![x](data:image/png;base64,{data})"}
    reply = chat.decode(orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert (reply.images, reply.trouble) == ((), "bad_picture")


def test_a_link_in_markdown_is_named_and_other_links_are_not():
    content = "see https://a.example/x.png\n![cat](https://b.example/y.png 'title') [z](https://c.example)"
    reply = chat.decode(orjson.dumps({"choices": [{"message": {"content": content}}]}))
    assert reply.images == (UrlRef("https://b.example/y.png"),)


def test_a_thought_is_no_answer():
    parts = [{"thought": True, "inline_data": {"data": "AAAA"}}, {"text": "hm", "thought": True}, {"text": "Done."}]
    reply = chat.decode(orjson.dumps({"choices": [{"message": {"content": "", "multi_mod_content": parts}}]}))
    assert (reply.images, reply.text) == ((), "Done.")


@pytest.mark.parametrize("shape", shapes.CHAT_SHAPES)
def test_a_stream_cut_at_any_byte_is_truncated_until_its_end_was_told(shape):
    body = shapes.streamed(shape, [RED], "ok")
    told = body.index(b'"finish_reason":"stop"')
    for at in range(1, told):
        reply = chat.decode(body[:at])
        assert reply.trouble in ("truncated", "blank", "not_json"), at
        assert not reply.images
    assert chat.decode(body[: body.index(b"\n\n", told)]).images == (RED,)


def test_a_whole_reply_cut_anywhere_is_truncated():
    body = shapes.whole("images", [RED])
    assert {chat.decode(body[:at]).trouble for at in range(1, len(body))} == {"truncated"}


def test_an_error_in_mid_stream_is_an_error():
    body = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: {"error":{"code":502,"message":"upstream"}}\n\n'
    assert chat.decode(body).error == {"code": 502, "message": "upstream"}


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (b" \n", "blank"),
        (b"<html></html>", "html"),
        (b"oops", "not_json"),
        (b"[]", "not_json"),
        (b'{"choices": []}', "empty"),
        (b'{"task_id": "7"}', "task"),
        (b'{"data": {"task_id": "7"}}', "task"),
        (b"data: [DONE]\n\n", "empty"),
    ],
)
def test_what_is_no_answer_says_why(body, trouble):
    assert chat.decode(body).trouble == trouble


def test_finish_reasons_are_read_wherever_they_stand():
    choice = {"message": {"content": ""}, "finish_reason": "content_filter", "native_finish_reason": "NO_IMAGE"}
    assert chat.decode(orjson.dumps({"choices": [choice]})).native_finish == "NO_IMAGE"
    message = {"content": "", "provider_specific_fields": {"native_finish_reason": "IMAGE_SAFETY"}}
    assert chat.decode(orjson.dumps({"choices": [{"message": message}]})).native_finish == "IMAGE_SAFETY"
    blocked = {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    assert chat.decode(orjson.dumps(blocked)).native_finish == "PROHIBITED_CONTENT"


def test_a_line_of_many_megabytes_is_read():
    picture = draw_png(mark_of("large"), 3000, 3000)
    body = shapes.streamed("images", [picture])
    assert max(map(len, body.split(b"\n"))) > 14 << 20
    assert chat.decode(body).images == (picture,)


def test_a_million_openings_take_linear_time():
    reply = chat.decode(orjson.dumps({"choices": [{"message": {"content": "![" * 1_000_000}}]}))
    assert reply.images == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.text(max_size=8) | st.just("data:image/png;base64,AAAA"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "delta", "content", "images", "image_url", "url", "index", "error"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=4), st.booleans())
def test_no_shape_of_json_raises(values, streamed):
    lines = [orjson.dumps({"choices": [value] if streamed else value, "usage": value}) for value in values]
    chat.decode(b"\n\n".join(b"data: " + line for line in lines) if streamed else b"".join(lines[:1]))


URL = shapes.data_url(RED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": URL.partition(",")[2]}}],
            "",
        ),
        ([{"type": "output_image", "image_base64": URL}], ""),
        (f"Here\n```\n{URL}\n```\nit is", "Here\n\nit is"),
        (f"```text\n{URL[:60]}\n{URL[60:]}\n```", ""),
        (f"[download]({URL})", ""),
        (f'Here <img alt="x" src="{URL}" width=8/> it is', "Here  it is"),
        (f"<img src={URL}>", ""),
        (f"![x]({URL[:60]}\t{URL[60:]})", ""),
        (
            f'<details type="reasoning" done="true">![x]({shapes.data_url(BLUE)})</details>![x]({URL})',
            "",
        ),
    ],
)
def test_a_picture_is_found_however_it_is_written_into_a_message(content, words):
    body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    reply = chat.decode(orjson.dumps(body))
    assert (reply.images, reply.text) == ((RED,), words)


def test_a_link_in_a_tag_is_named_and_one_to_a_page_or_of_a_citation_is_not():
    said = [{"type": "text", "text": "See [x](https://a.example/x).", "source": {"url": "https://a.example/y.png"}}]
    said.append({"type": "text", "text": "<img src=\"https://a.example/dir/\" alt='a'>"})
    body = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}
    assert chat.decode(orjson.dumps(body)).images == (UrlRef("https://a.example/dir/"),)


@pytest.mark.parametrize(
    "words",
    [
        '{"image": "cats", "score": 8}',
        '{"image": "https://a.example/x.png", "caption": "a cat"}',
        '[{"url": "https://a.example/x.png"}, {"text": "data:image/png"}]',
        '{"html": "<p>data:image/png;base64,AAAA</p>"}',
        '{"image": "data:image/png;base64,AAAA"',
        '{"images": [{"thought": true, "url": "data:image/png;base64,AAAA"}]}',
        "{data:image/png;base64,AAAA}",
        '{"image": "data:image/png;base64,AAAA", "and": [' + "0," * 100_001 + "0]}",
    ],
)
def test_words_that_are_json_and_hold_no_picture_stay_words(words):
    body = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}]}
    reply = chat.decode(orjson.dumps(body))
    assert (reply.images, reply.text, reply.trouble) == ((), words, "")


@pytest.mark.parametrize("invisible", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
def test_invisible_characters_within_a_picture_are_no_part_of_it(invisible):
    broken = URL[:40] + invisible + URL[40:80] + invisible * 3 + URL[80:]
    for content in (broken, f"![x]({broken})"):
        body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
        assert chat.decode(orjson.dumps(body)).images == (RED,)
    family = "👩\u200d👧 here"
    assert chat.decode(orjson.dumps({"choices": [{"message": {"content": family}}]})).text == family


def test_a_draft_within_an_analysis_is_no_result():
    content = f"<analysis>\n![x]({URL})\n</analysis>"
    body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    assert (chat.decode(orjson.dumps(body)).images, chat.decode(orjson.dumps(body)).text) == ((), "")


def test_a_chat_in_googles_form_tells_its_tokens_and_who_answered_and_its_refusal():
    told = {"modelVersion": "gemini-3.1-flash-image", "usageMetadata": {"promptTokenCount": 10}}
    body = {"candidates": [{"content": {}, "finishReason": "IMAGE_SAFETY"}], **told}
    reply = chat.decode(orjson.dumps(body))
    assert (reply.finish, reply.model) == ("IMAGE_SAFETY", "gemini-3.1-flash-image")
    assert reply.usage == {"promptTokenCount": 10}


@pytest.mark.parametrize(
    "open_",
    [
        {**CLOSED, "additionalProperties": True},
        {**CLOSED, "required": []},
        {"type": "object"},
        {"type": "array", "items": {"type": "object", "properties": {}}},
    ],
)
def test_strict_is_asked_only_for_schemas_that_providers_take_as_strict(open_):
    field: Any = response_format(orjson.dumps(open_).decode())
    assert field["json_schema"] == {"name": "answer", "strict": False, "schema": open_}
