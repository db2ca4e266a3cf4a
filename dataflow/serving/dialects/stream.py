"""A body as the JSON objects in it: one whole object, or the events of a stream.

The whole body is split at once: nothing can be used before its end, and a line may hold a picture of
many megabytes, so there is no line limit. What the server sends decides, not what was asked for:
gateways answer a stream with an object and the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from dataflow.core.records import JSON
from dataflow.serving.dialects.reply import Trouble, read_usage

_STREAM_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


@dataclass(frozen=True, slots=True)
class Body:
    """The objects of a body.

    Args:
        objects: one for a whole reply, one per event for a stream.
        streamed: whether the body is a stream.
        done: whether the stream said that it was complete.
        trouble: why the body cannot be read.
    """

    objects: tuple[dict[str, JSON], ...] = ()
    streamed: bool = False
    done: bool = False
    trouble: Trouble = ""

    def error(self) -> JSON:
        """The error object in place of an answer, or in the middle of a stream; None if there is none."""
        for event in self.objects:
            if error := event.get("error"):
                return error
            if event.get("type") == "error":
                return event
        return None

    def usage(self) -> Mapping[str, float]:
        """The last usage told; a stream tells it in a chunk of its own."""
        return read_usage(next((event["usage"] for event in reversed(self.objects) if event.get("usage")), None))


def read_body(body: bytes) -> Body:
    """Parse a reply's body, whole or streamed."""
    start = body[:4096].lstrip() or body.lstrip()
    if not start:
        return Body(trouble="blank")
    if start.startswith(_STREAM_STARTS):
        return _read_events(body)
    if start.startswith(b"<"):
        return Body(trouble="html")
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Body(trouble="truncated" if start.startswith(b"{") else "not_json")
    return Body((whole,)) if isinstance(whole, dict) else Body(trouble="not_json")


def _read_events(body: bytes) -> Body:
    objects: list[dict[str, JSON]] = []
    lines = body.split(b"\n")
    for number, line in enumerate(lines):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return Body(tuple(objects), streamed=True, done=True)
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            if number == len(lines) - 1:
                break
            return Body(tuple(objects), streamed=True, trouble="truncated")
        if isinstance(event, dict):
            objects.append(event)
    return Body(tuple(objects), streamed=True)
