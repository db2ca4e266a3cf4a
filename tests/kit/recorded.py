"""Recorded replies: read from `replies/`, and turned into what the loopback server does; see its README."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.kit.drawing import draw, mark_of
from tests.kit.loopback import Act, LoopbackServer

FOLDER = Path(__file__).parent.parent / "serving" / "replies"
_PLACE = re.compile(r"\{\{(png|jpeg|webp|url)(?: (\d))?\}\}|\{\{bytes:([^}]*)\}\}")
_ASK = {"api_format": "chat", "stream": False, "makes": "image", "images": 0, "options": {}}
_REPLY = {"status", "headers", "body", "events", "named", "cut", "clean"}
_ANSWER = {"class", "pictures", "text"}
_FAILURE = {"class", "wait", "keep", "retries", "refuse_after", "outage", "maybe_paid", "says", "said"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file of the folder."""

    name: str
    ask: dict[str, Any]
    reply: dict[str, Any]
    expect: dict[str, Any]
    later: dict[str, Any] | None


def recorded() -> list[Recorded]:
    return [_read(path) for path in sorted(FOLDER.rglob("*.json"))]


def _read(path: Path) -> Recorded:
    file = orjson.loads(path.read_bytes())
    name = path.relative_to(FOLDER).as_posix()
    assert file.pop("what"), f"{name}: say in one sentence what this is"
    ask, reply, expect, later = file.pop("ask", {}), file.pop("reply"), file.pop("expect"), file.pop("later", None)
    unknown = [*file, *(ask.keys() - _ASK), *(reply.keys() - _REPLY)]
    for wanted in (expect, later or expect):
        unknown += wanted.keys() - (_ANSWER if wanted["class"] == "Answer" else _FAILURE)
    assert not unknown, f"{name}: the README knows no {unknown}"
    return Recorded(name, _ASK | ask, reply, expect, later)


def act_of(reply: dict[str, Any], server: LoopbackServer) -> Act:
    """The act with which the loopback server plays the reply."""
    if "events" in reply:
        body: Any = b"".join(_event(_filled(each, server), named=reply.get("named", False)) for each in reply["events"])
    else:
        body = _filled(reply.get("body", ""), server)
        body = body.encode() if isinstance(body, str) else body
    return Act(
        reply.get("status", 200), body, reply.get("headers", {}), cut=reply.get("cut"), clean=reply.get("clean", False)
    )


def mark(number: int) -> bytes:
    """The mark in the pixels of picture `number` of a reply."""
    return mark_of(f"recorded {number}")


def _event(event: Any, *, named: bool) -> bytes:
    if isinstance(event, str):
        return event.encode() + b"\n\n"
    name = f"event: {event['type']}\n".encode() if named and "type" in event else b""
    return name + b"data: " + orjson.dumps(event) + b"\n\n"


def _filled(value: Any, server: LoopbackServer) -> Any:
    """The value with the test's own pictures in their places."""
    if isinstance(value, dict):
        return {key: _filled(each, server) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, server) for each in value]
    return _PLACE.sub(lambda place: _filling(place, server), value) if isinstance(value, str) else value


def _filling(place: re.Match[str], server: LoopbackServer) -> str:
    kind, number, text = place.groups()
    if text is not None:
        return base64.b64encode(text.encode()).decode()
    picture = draw("png" if kind == "url" else kind, mark(int(number or 1)))
    return server.publish(picture) if kind == "url" else base64.b64encode(picture).decode()
