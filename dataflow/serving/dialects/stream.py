"""Reads the JSON objects of a body: one whole object, or the events of a stream.

The body is split when it is complete: nothing of it can be used before, and a line may hold a picture of many
megabytes, so lines have no limit. The body's own form decides, and not what was asked for: some gateways answer a
request for a stream with an object, and the other way round.
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
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some servers put one before JSON


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON objects of a body.

    Args:
        objects: the one object of a whole reply, or one for each event of a stream.
        streamed: whether the body is a stream.
        done: whether the stream says that it is complete.
        broken: whether the stream breaks off within an event.
        trouble: why the body cannot be read; empty: it can.
    """

    objects: tuple[dict[str, JSON], ...] = ()
    streamed: bool = False
    done: bool = False
    broken: bool = False
    trouble: Trouble = ""

    def error(self) -> JSON:
        """The error in place of an answer, or among the events of a stream; None: there is none."""
        return next((error for event in self.objects if (error := error_of(event)) is not None), None)

    def word(self, *fields: str) -> str:
        """The first text that an object has in one of these fields; empty: none has one.

        Args:
            fields: names of the fields, in the order of preference.
        """
        return next((text for event in self.objects for name in fields if (text := as_text(event.get(name)))), "")

    def usage(self, *fields: str) -> Mapping[str, float]:
        """The numbers of the last usage that is not all zeros: some streams end with zeros after the real usage.

        Args:
            fields: the names under which an object may have its usage; none: `usage`.
        """
        names = fields or ("usage",)
        stated = (read_usage(value) for event in reversed(self.objects) for name in names if (value := event.get(name)))
        last = next(stated, NOTHING_USED)
        return last if any(last.values()) else next((usage for usage in stated if any(usage.values())), last)


def read_body(body: bytes | memoryview, *, arrays: bool = False) -> Body:
    """Parse the body of a reply, whole or streamed.

    Args:
        body: as the server sent it.
        arrays: whether a JSON array of objects also is a stream.
    """
    if body[: len(_BYTE_ORDER_MARK)] == _BYTE_ORDER_MARK:
        body = body[len(_BYTE_ORDER_MARK) :]
    start = bytes(body[:4096]).lstrip() or bytes(body).lstrip()
    if not start:
        return Body(trouble="blank")
    if start.startswith(_STREAM_STARTS):
        return _read_events(bytes(body))
    if start.startswith(b"<"):
        return Body(trouble="html")
    try:
        whole = loads(body)
        if isinstance(whole, str):  # some relays encode the whole object once more, as a string
            whole = loads_inner(whole)
    except ValueError:
        if (lines := _read_lines(bytes(body))) is not None:
            return lines
        return Body(trouble="truncated" if _began_well(start, arrays) else "not_json")
    if arrays and isinstance(whole, list) and len(events := as_dicts(whole)) == len(whole):
        return Body(tuple(events), streamed=True, done=True)
    return Body((whole,)) if isinstance(whole, dict) else Body(trouble="not_json")


def _read_lines(body: bytes) -> Body | None:
    """Read a stream that has one JSON object in each line, without `data:`; None: the body is no such stream."""
    first, _, rest = body.lstrip().partition(b"\n")
    begun, objects = [first], list[dict[str, JSON]]()
    if not rest or not first.rstrip().endswith(b"}") or not _take(begun, objects) or not objects:
        return None
    for line in rest.split(b"\n"):
        begun = [line.strip()]
        if begun[0] == _DONE:
            return Body(tuple(objects), streamed=True, done=True)
        if begun[0] and not _take(begun, objects):
            return Body(tuple(objects), streamed=True, broken=True)
    return Body(tuple(objects), streamed=True)


def _began_well(start: bytes, arrays: bool) -> bool:
    """Whether a body that cannot be read begins like a reply, so that probably its end is missing.

    Args:
        start: the first bytes of the body, without blanks before them.
        arrays: whether a reply may be a JSON array.
    """
    is_json = start.startswith((b"{", b"[")) if arrays else start.startswith(b"{")
    return is_json or any(prefix.startswith(start) for prefix in _STREAM_STARTS)


def _read_events(body: bytes) -> Body:
    """Read server-sent events.

    An event is one `data:` line; where a line by itself is no JSON, all `data:` lines up to a blank line are one event.
    """
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
    """Read the last line of a body, which has no line break at its end.

    Args:
        last: that line.
        begun: the data of an event whose lines are not complete yet.
        objects: of the events before.
        named: whether the line before belongs to an event that has no data yet, such as `event:`.
    """
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
    """Move the event that some lines spell out from `begun` to `objects`; returns whether the lines are JSON."""
    try:
        event = loads(b"\n".join(begun))
    except ValueError:
        return False
    begun.clear()
    if isinstance(event, dict):
        objects.append(event)
    return True
