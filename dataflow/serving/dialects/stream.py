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
_DONE = b"[DONE]"
_MARK = b"\xef\xbb\xbf"  # a byte order mark, which some servers put before JSON


@dataclass(frozen=True, slots=True)
class Body:
    """The objects of a body.

    Args:
        objects: one for a whole reply, one per event for a stream.
        streamed: whether the body is a stream.
        done: whether the stream said that it was complete.
        broken: whether the stream breaks off within an event.
        trouble: why the body cannot be read.
    """

    objects: tuple[dict[str, JSON], ...] = ()
    streamed: bool = False
    done: bool = False
    broken: bool = False
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
        """The usage in the last object that has one; a stream has a chunk of its own for it."""
        return read_usage(next((event["usage"] for event in reversed(self.objects) if event.get("usage")), None))


def read_body(body: bytes | memoryview, *, arrays: bool = False) -> Body:
    """Parse a reply's body, whole or streamed.

    Args:
        body: the bytes as the server sent them.
        arrays: whether a JSON array of objects is a stream, too.
    """
    if body[: len(_MARK)] == _MARK:
        body = body[len(_MARK) :]
    start = bytes(body[:4096]).lstrip() or bytes(body).lstrip()
    if not start:
        return Body(trouble="blank")
    if start.startswith(_STREAM_STARTS):
        return _read_events(bytes(body))
    if start.startswith(b"<"):
        return Body(trouble="html")
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Body(trouble="truncated" if _began_well(start, arrays) else "not_json")
    if arrays and isinstance(whole, list) and all(isinstance(each, dict) for each in whole):
        return Body(tuple(whole), streamed=True, done=True)
    return Body((whole,)) if isinstance(whole, dict) else Body(trouble="not_json")


def _began_well(start: bytes, arrays: bool) -> bool:
    """Whether what cannot be read began as a reply does, so that its end is what is missing."""
    is_json = start.startswith((b"{", b"[")) if arrays else start.startswith(b"{")
    return is_json or any(each.startswith(start) for each in _STREAM_STARTS)


def _read_events(body: bytes) -> Body:
    objects: list[dict[str, JSON]] = []
    named = False
    lines = body.split(b"\n")
    for number, line in enumerate(lines):
        if not line.startswith(b"data:"):
            if line or number < len(lines) - 1:
                named = bool(line.strip()) and not line.startswith(b":")
            continue
        data = line[5:].strip()
        if data == _DONE:
            return Body(tuple(objects), streamed=True, done=True)
        if not data:
            continue
        named = False
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            if number == len(lines) - 1:
                return Body(tuple(objects), streamed=True, broken=not _DONE.startswith(data))
            return Body(tuple(objects), streamed=True, trouble="truncated")
        if isinstance(event, dict):
            objects.append(event)
    return Body(tuple(objects), streamed=True, broken=named)
