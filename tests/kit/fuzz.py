"""Replies that went wrong in ways nobody thought of, and what may become of each.

A case is a good reply of some shape, damaged: bytes changed, cut, doubled or swapped, or values of its JSON
replaced. Such damage can never mean that the run must stop, that the server wants less, or that a content
policy refused: only a picture, or a failure worth another attempt. A marked case is a good reply that
also says one of these things; then exactly that must come of it.
"""

import copy
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from dataflow.errors import Kind
from dataflow.serving.dialects import Format
from tests.kit import shapes
from tests.kit.drawing import draw, mark_of

KINDS = ("png", "jpeg", "webp")
PICTURES = {kind: [draw(kind, mark_of(f"{kind}{k}"), 8, 2) for k in range(3)] for kind in KINDS}
Outcome = Kind | Literal[""]  # of a reply: the kind of its failure, or none
FORMATS: tuple[Format, ...] = ("chat", "images", "responses", "gemini")
HARMLESS: frozenset[Outcome] = frozenset(("", "retry"))

_TOKENS = (
    *(b"\0", b"\xff\xfe", b'"', b"\\", b"{", b"]", b"<", b"![x]("),
    *(b"\n\n", b"data: ", b"event: x\n", b"data: [DONE]\n\n"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 600, 1e308, 10**19, "", "x", "\u0000\u202e", "@@@@", [], {}, [[]], [None], {"": {}}),
    *("data:image/png;base64,AAAA", "data:,x", "http://", "![x](data:image/png;base64,", {"url": {"url": {"url": {}}}}),
    *([{"text": 1, "thought": "yes"}], {"parts": {}}, {"choices": 1}, ["a"] * 50, "A" * 3000),
)
# What a reply may say after HTTP 200, and what must come of it.
_ERRORS: tuple[tuple[Any, Kind], ...] = (
    ({"code": "insufficient_quota", "message": "no credit"}, "fatal"),
    ({"code": "invalid_api_key", "message": "no"}, "fatal"),
    ({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}, "wait"),
    ({"code": "moderation_blocked", "message": "no"}, "refused"),
    ({"code": 502, "message": "upstream"}, "retry"),
    ("something odd", "retry"),
)
_ENDS: Mapping[str, tuple[tuple[str, Kind], ...]] = {
    "chat": (("content_filter", "refused"), ("length", "refused"), ("odd", "retry")),
    "gemini": (("IMAGE_SAFETY", "refused"), ("MAX_TOKENS", "refused"), ("NO_IMAGE", "retry")),
}
_BOMBS: tuple[Callable[[], bytes], ...] = (
    lambda: b"[" * 200_000,
    lambda: b'{"choices":' * 50_000,
    lambda: orjson.dumps({"choices": [{"message": {"content": "![" * 300_000}}]}),
    lambda: orjson.dumps({"choices": [{}] * 50_000, "candidates": [{}] * 50_000, "output": [{}] * 50_000}),
    lambda: b"data: {}\n\n" * 50_000,
    lambda: b"data:" * 100_000,
    lambda: b" " * 1_000_000,
    lambda: orjson.dumps({"data": [{"b64_json": "A" * 4_000_000}]}),
    lambda: b'{"usage":' + b"9" * 100_000 + b"}",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A reply and what may become of it.

    Args:
        format: the `api_format` in which it comes.
        body: its bytes.
        allowed: kinds of failures; "" for a picture.
        pictures: what the reply held before it was damaged.
        is_cut: its end is missing and nothing else is wrong: a picture that comes of it is whole.
        how: what was done to it.
    """

    format: Format
    body: bytes
    allowed: frozenset[Outcome]
    pictures: tuple[bytes, ...] = ()
    is_cut: bool = False
    how: str = ""


def make_case(rng: random.Random) -> Case:
    """One of the endlessly many."""
    roll = rng.randrange(1000)
    if roll < 2:
        return Case(rng.choice(FORMATS), rng.choice(_BOMBS)(), HARMLESS, how="bomb")
    if roll < 150:
        return _marked(rng)
    shape, stream, pictures, body = _good(rng, whole_pictures=roll >= 200)
    api_format = shapes.FORMATS[shape]
    if roll < 200:
        return Case(api_format, body, HARMLESS, pictures, how=f"{shape} with damaged pictures")
    if roll < 300:
        at = rng.randrange(len(body))
        return Case(api_format, body[:at], HARMLESS, pictures, is_cut=True, how=f"{shape} cut at {at}")
    if roll < 600:
        body = _rewritten(rng, body, stream)
        return Case(api_format, body, HARMLESS, pictures, how=f"{shape} rewritten")
    for _ in range(rng.randint(1, 4)):
        body = _damaged(rng, body)
    return Case(api_format, body, HARMLESS, pictures, how=f"{shape} damaged")


def _good(rng: random.Random, *, whole_pictures: bool = True) -> tuple[str, bool, tuple[bytes, ...], bytes]:
    shape = rng.choice(tuple(shapes.FORMATS))
    stream = rng.random() < 0.5
    several = () if shape in ("image", "bare") else (2, 3)
    pictures = tuple(PICTURES[rng.choice(KINDS)][: rng.choice((1, 1, *several))])
    if not whole_pictures:
        pictures = tuple(_damaged(rng, picture) for picture in pictures)
    make = shapes.streamed if stream else shapes.whole
    return shape, stream, pictures, make(shape, pictures, rng.choice(("", "ok", "画好了 ✨", "a\n![b](c) ![")))


def _damaged(rng: random.Random, body: bytes) -> bytes:
    """One change to a few bytes."""
    a, b = sorted(rng.choices(range(len(body) + 1), k=2))
    b = min(b, a + rng.choice((1, 4, 100, len(body))))
    match rng.randrange(6):
        case 0:
            return body[:a] + rng.randbytes(1) + body[a + 1 :]
        case 1:
            return body[:a] + body[b:]
        case 2:
            return body[:b] + body[a:b] + body[b:]
        case 3:
            return body[:a] + rng.choice(_TOKENS) + body[a:]
        case 4:
            return body[:a] + rng.randbytes(b - a) + body[b:]
        case _:
            return body[a:b] + body[:a] + body[b:]


def _rewritten(rng: random.Random, body: bytes, stream: bool) -> bytes:
    """Some values and names of the JSON replaced by others that mean nothing."""
    lines = body.split(b"\n") if stream else [b"data: " + body]
    told = [k for k, line in enumerate(lines) if line.startswith(b"data: {")]
    for k in rng.sample(told, min(len(told), rng.randint(1, 3))):
        event = orjson.loads(lines[k][6:])
        for _ in range(rng.randint(1, 3)):
            _replace_somewhere(rng, event)
        lines[k] = b"data: " + orjson.dumps(event)
    return b"\n".join(lines) if stream else lines[0][6:]


def _replace_somewhere(rng: random.Random, root: dict[str, Any]) -> None:
    place: Any = root
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and rng.random() < 0.8:
            place = place[key]
            continue
        if rng.random() < 0.2:
            del place[key]
        elif isinstance(place, dict) and rng.random() < 0.2:
            place[rng.choice(("index", "content", "url", "parts", "message", "usage"))] = place.pop(key)
        else:
            place[key] = copy.deepcopy(rng.choice(_VALUES))
        return


def _marked(rng: random.Random) -> Case:
    shape, stream, _, body = _good(rng)
    api_format = shapes.FORMATS[shape]
    ends = _ENDS.get(api_format, ())
    if ends and rng.random() < 0.5:
        finish, outcome = rng.choice(ends)
        body = (shapes.streamed if stream else shapes.whole)(shape, [], "words", finish)
        return Case(api_format, body, frozenset[Outcome]((outcome,)), how=f"{shape} ends with {finish}")
    if rng.random() < 0.2:
        task = rng.choice(
            ({"task_id": "7"}, {"data": [{"task_id": "7"}]}, {"id": "7", "polling_url": "https://a.example"})
        )
        return Case(api_format, orjson.dumps(task), frozenset[Outcome](("fatal",)), how="a task")
    error, outcome = rng.choice(_ERRORS)
    told = orjson.dumps({"error": error})
    if stream:
        blocks = body.split(b"\n\n")
        at = rng.randrange(len(blocks) - 1)
        told = b"\n\n".join([*blocks[:at], b"data: " + told, *blocks[at:]])
    return Case(api_format, told, frozenset[Outcome]((outcome,)), how=f"{shape} with {error}")
