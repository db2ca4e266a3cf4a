"""What the batches of both providers have in common."""

from itertools import pairwise

import orjson
import pytest

from dataflow.serving.api.batches.contract import BatchApi, Intervals
from dataflow.serving.api.batches.gemini import GeminiBatches
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.reply import Post

ONE = "0f" * 16
KINDS = [(OpenAIBatches, "custom_id"), (GeminiBatches, "key")]
Kind = type[OpenAIBatches | GeminiBatches]


def provider(kind: Kind) -> BatchApi:
    """One whose lines are read without a connection."""
    return kind(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "key"), KINDS)
def test_a_line_asks_for_its_request_under_its_id(kind: Kind, key: str) -> None:
    line = provider(kind).encode_line(ONE, Post("/images/generations", b'{"prompt":"Paint."}'))
    assert line.endswith(b"\n")
    entry = orjson.loads(line)
    assert entry[key] == ONE
    assert {"prompt": "Paint."} in entry.values()


@pytest.mark.parametrize(("kind", "key"), KINDS)
def test_half_a_character_in_a_line_costs_no_second_answer(kind: Kind, key: str) -> None:
    body = {"choices": [{"message": {"content": "Done X", "images": [{"url": "data:image/png;base64,eA=="}]}}]}
    response: object = {"status_code": 200, "body": body} if kind is OpenAIBatches else body
    line = orjson.dumps({key: ONE, "response": response}).replace(b"X", b"\\ud83d") + b"\n"
    read = provider(kind).decode_line(line)
    assert read is not None
    assert read.attempt is not None
    assert (read.request_id, CHAT.decode(read.attempt.body).images) == (ONE, (b"x",))


@pytest.mark.parametrize(("kind", "_"), KINDS)
def test_a_torn_line_is_none(kind: Kind, _: str) -> None:
    assert provider(kind).decode_line(b'{"custom_id": "torn') is None


def test_what_is_waited_for_longer_takes_longer() -> None:
    times = Intervals()
    waits = [times.gather, times.poll, times.gather_most, times.resubmit, times.give_up]
    assert all(shorter < longer for shorter, longer in pairwise(waits))
