"""The chunks of a streamed chat, folded into whole choices."""

from collections.abc import Iterable
from typing import Any

import pytest

from dataflow.serving.dialects import chat
from dataflow.serving.dialects.chat_stream import fold, in_parts
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of

RED, BLUE = draw_png(mark_of("red")), draw_png(mark_of("blue"))


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_markdown_cut_anywhere_is_joined_first(piece):
    reply = chat.decode(shapes.streamed("markdown", [RED, BLUE], "ok", piece=piece))
    assert (reply.images, reply.text) == ((RED, BLUE), "ok")


def folded(events: Iterable[Any]) -> list[Any]:
    return list(fold(events))


def chunk(index=0, finish=None, **delta):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def test_chunks_of_several_choices_are_told_apart_by_their_index():
    choices = folded([chunk(1, content="b"), chunk(0, content="a"), chunk(1, content="B", finish="stop"), chunk(0)])
    assert [choice["message"]["content"] for choice in choices] == ["a", "bB"]
    assert [choice.get("finish_reason") for choice in choices] == [None, "stop"]


def test_lists_are_joined_and_a_later_value_replaces_an_earlier_one():
    (choice,) = folded(
        [chunk(images=[1], role="assistant"), chunk(images=[2], image="a"), chunk(image="b", content="x")]
    )
    assert choice["message"] == {"role": "assistant", "image": "b", "images": [1, 2], "content": "x"}


def test_parts_of_content_come_before_its_text():
    (choice,) = folded([chunk(content="one "), chunk(content=[{"type": "image_url"}]), chunk(content="two")])
    assert choice["message"]["content"] == [{"type": "image_url"}, {"type": "text", "text": "one two"}]


def test_a_whole_message_in_a_stream_counts_as_a_chunk_and_an_event_without_choices_as_none():
    events = [{"usage": {}}, {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}, {"choices": "odd"}]
    assert folded(events) == [{"finish_reason": "stop", "message": {"content": "x"}}]


@pytest.mark.parametrize(
    ("content", "parts"),
    [("x", "x"), ([1], [1]), ({"parts": [1, 2]}, [1, 2]), ({"text": "x"}, [{"text": "x"}]), (None, None)],
)
def test_an_object_in_place_of_content_is_its_parts_or_the_only_part(content, parts):
    assert in_parts(content) == parts
