"""What holds for all formats alike: every shape of every one, whole and streamed, intact and cut."""

import orjson
import pytest

from dataflow.serving.dialects import DIALECTS
from dataflow.serving.dialects.reply import is_task
from tests.kit import shapes
from tests.kit.drawing import draw, draw_png, mark_of

PICTURE = draw_png(mark_of("red"), 8, 2)
EVERY_SHAPE = pytest.mark.parametrize("shape", shapes.FORMATS)
EVERY_WAY = pytest.mark.parametrize("make", [shapes.whole, shapes.streamed])


def decode(shape, body):
    return DIALECTS[shapes.FORMATS[shape]].decode(body)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@EVERY_WAY
@EVERY_SHAPE
def test_every_shape_gives_its_picture_and_its_usage(shape, make, kind):
    picture = draw(kind, mark_of("x"))
    reply = decode(shape, make(shape, [picture], "Here."))
    assert (reply.images, reply.trouble, reply.error) == ((picture,), "", None)
    assert reply.text == ("" if shape in ("bare", "b64_json") else "Here.")
    assert 1290 in reply.usage.values()


@EVERY_WAY
@EVERY_SHAPE
def test_a_reply_cut_at_any_byte_is_truncated_until_it_has_told_its_end(shape, make):
    body = make(shape, [PICTURE], "ok")
    end = shapes.end_of(shape, body) if make is shapes.streamed else len(body)
    for at in range(1, end):
        reply = decode(shape, body[:at])
        assert (reply.images, reply.trouble) == ((), "truncated"), at
    for at in range(end, len(body) + 1):
        assert decode(shape, body[:at]).images == (PICTURE,), at


@EVERY_SHAPE
def test_a_byte_order_mark_and_windows_lines_are_no_obstacle(shape):
    mark = "\ufeff".encode()
    assert decode(shape, mark + shapes.whole(shape, [PICTURE])).images == (PICTURE,)
    assert decode(shape, shapes.streamed(shape, [PICTURE]).replace(b"\n", b"\r\n")).images == (PICTURE,)


@EVERY_SHAPE
def test_an_event_without_data_is_skipped(shape):
    assert decode(shape, b"data:\n\n" + shapes.streamed(shape, [PICTURE])).images == (PICTURE,)


TASKS = [
    {"task_id": "7"},
    {"code": 200, "data": {"task_id": "7", "status": "submitted"}},
    {"code": 200, "data": [{"status": "submitted", "task_id": "7"}]},
    {"output": {"task_id": "7", "task_status": "PENDING"}, "request_id": "1"},
    {"id": "7", "polling_url": "https://api.example/v1/get_result?id=7"},
    {"status": "IN_QUEUE", "request_id": "7", "status_url": "https://queue.example/7"},
]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_task_to_poll_is_never_taken_for_an_empty_answer(dialect, task):
    assert is_task(task)
    assert dialect.decode(orjson.dumps(task)).trouble == "task"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_numbers_that_are_none_are_no_usage(dialect):
    usage = b'{"total_tokens": 1e999, "cached": true, "input": 3}'
    told = {"usage": "@", "usageMetadata": "@", "output": [{}], "data": [{}]}
    told |= {"choices": [{"message": {"content": "x"}}], "candidates": [{"content": {"parts": []}}]}
    reply = dialect.decode(orjson.dumps(told).replace(b'"@"', usage))
    assert dict(reply.usage) in ({"input": 3, "cached": 1}, {})
