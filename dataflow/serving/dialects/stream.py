"""A body as the JSON objects in it: one whole object, or the events of a stream.

The whole body is split at once: nothing can be used before its end, and a line may hold a picture of
many megabytes, so there is no line limit. What the server sends decides, not what was asked for:
gateways answer a stream with an object and the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.core.records import JSON, NOTHING_USED
from dataflow.serving.dialects.envelope import error_of
from dataflow.serving.dialects.lenient import loads, loads_inner
from dataflow.serving.dialects.narrow import as_dicts, as_text
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
        """The error in place of an answer, or in the middle of a stream; None if there is none."""
        return next((error for event in self.objects if (error := error_of(event)) is not None), None)

    def word(self, *fields: str) -> str:
        """What the first object says in one of these fields; of a stream all chunks say the same."""
        return next((text for event in self.objects for name in fields if (text := as_text(event.get(name)))), "")

    def usage(self, *fields: str) -> Mapping[str, float]:
        """The last usage that counts anything; a stream has a chunk of its own for it, and some send zeros behind it.

        Args:
            fields: under which an object has it; none: `usage`.
        """
        names = fields or ("usage",)
        stated = (read_usage(value) for each in reversed(self.objects) for name in names if (value := each.get(name)))
        last = next(stated, NOTHING_USED)
        return last if any(last.values()) else next((each for each in stated if any(each.values())), last)


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
        whole = loads(body)
        if isinstance(whole, str):  # a relay encoded it once more
            whole = loads_inner(whole)
    except ValueError:
        if (lines := _read_lines(bytes(body))) is not None:
            return lines
        return Body(trouble="truncated" if _began_well(start, arrays) else "not_json")
    if arrays and isinstance(whole, list) and len(events := as_dicts(whole)) == len(whole):
        return Body(tuple(events), streamed=True, done=True)
    return Body((whole,)) if isinstance(whole, dict) else Body(trouble="not_json")


def _read_lines(body: bytes) -> Body | None:
    """A stream of one JSON object a line, without `data:`; None if the body is none."""
    first, _, others = body.lstrip().partition(b"\n")
    begun, objects = [first], list[dict[str, JSON]]()
    if not others or not first.rstrip().endswith(b"}") or not _take(begun, objects) or not objects:
        return None
    for line in others.split(b"\n"):
        begun = [line.strip()]
        if begun[0] == _DONE:
            return Body(tuple(objects), streamed=True, done=True)
        if begun[0] and not _take(begun, objects):
            return Body(tuple(objects), streamed=True, broken=True)
    return Body(tuple(objects), streamed=True)


def _began_well(start: bytes, arrays: bool) -> bool:
    """Whether what cannot be read began as a reply does, so that its end is what is missing."""
    is_json = start.startswith((b"{", b"[")) if arrays else start.startswith(b"{")
    return is_json or any(each.startswith(start) for each in _STREAM_STARTS)


def _read_events(body: bytes) -> Body:
    """The events, each of one `data:` line or, where no line alone is JSON, of all that stand before a blank one."""
    objects: list[dict[str, JSON]] = []
    begun: list[bytes] = []
    named = False
    *lines, last = body.split(b"\n" if b"\n" in body else b"\r")
    for line in lines:
        if not line.startswith(b"data:"):
            named = bool(line.strip()) and not line.startswith(b":")
            if begun and not line.strip() and not _take(begun, objects):
                return Body(tuple(objects), streamed=True, trouble="truncated")
        elif (data := line[5:].strip()) == _DONE:
            if begun and not _take(begun, objects):
                return Body(tuple(objects), streamed=True, trouble="truncated")
            return Body(tuple(objects), streamed=True, done=True)
        elif data:
            named = False
            begun.append(data)
            if len(begun) == 1:
                _take(begun, objects)
    return _ended(last, begun, objects, named=named)


def _ended(last: bytes, begun: list[bytes], objects: list[dict[str, JSON]], *, named: bool) -> Body:
    """The events of a body without `[DONE]` in a line of its own, whose last line has no end."""
    data = last[5:].strip() if last.startswith(b"data:") else b""
    if data == _DONE and (not begun or _take(begun, objects)):
        return Body(tuple(objects), streamed=True, done=True)
    if data:
        begun.append(data)
    elif last:
        named = not last.startswith(b":")
    broken = bool(begun) and not _take(begun, objects) and not _DONE.startswith(begun[0])
    return Body(tuple(objects), streamed=True, broken=broken or (named and not data))


def _take(begun: list[bytes], objects: list[dict[str, JSON]]) -> bool:
    """Move the event that these lines spell out to the objects; whether they spell one out."""
    try:
        event = loads(b"\n".join(begun))
    except ValueError:
        return False
    begun.clear()
    if isinstance(event, dict):
        objects.append(event)
    return True
