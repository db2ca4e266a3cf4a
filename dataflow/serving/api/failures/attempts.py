"""One attempt at a request as values: where it went, how it ended, and what an error body says.

A failure can so be classified without the server that caused it.
"""

import html
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from dataflow.core.records import JSON, NOTHING_USED
from dataflow.serving.dialects.envelope import message_of, objects_in
from dataflow.serving.dialects.lenient import dumps, loads
from dataflow.serving.dialects.narrow import as_dict
from dataflow.serving.dialects.reply import Reply, Trouble

# How an attempt ended: with a usable body ("answered"), before one ("no_file": this process may open no more files,
# "unconnected", "unsent", "lost"), or with a reply that is no answer (an HTTP "status", a `Trouble` of the body, or a
# whole reply without what was asked for, "finish").
Ending = (
    Literal["answered", "no_file", "unconnected", "unsent", "lost", "truncated", "blank", "html"]
    | Literal["not_json", "empty", "bad_picture", "task", "status", "finish"]
)

MAX_SHOWN = 300  # characters of a server's text in a message
_MAX_SCANNED = 20_000  # bytes of an error body that patterns look at
_CODE_FIELDS = frozenset(("code", "type", "status", "reason", "error_code", "errorcode", "blockreason", "errcode"))
_STATUS_FIELDS = ("code", "status", "http_code", "status_code", "statusCode")
_MAX_ESCAPES = 4  # how often a gateway may have escaped the words of the one behind it
_ESCAPES = re.compile(r"[\\%&]")
_UNICODE = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")
_TAG = re.compile(rb"<[^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request went. A failure's reason names these values.

    Args:
        address: the normalised api_url.
        path: of the request, below the address.
        model: the model's name at the provider.
        key_name: how a message names the source of the key, such as its environment variable.
        secret: the key, which is cut out of everything that the provider says; empty: there is none.
        fields: names of the top-level fields that go with every request.
    """

    address: str
    path: str
    model: str
    key_name: str
    secret: str = field(default="", repr=False)
    fields: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        """Host and port of the address, without user and path."""
        return urlsplit(self.address).netloc


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Args:
        ending: "answered" where the body may hold an answer, else what stands in its way.
        status: HTTP status; 0: no reply came.
        headers: of the reply, names in lower case.
        body: of the reply. That of a large reply is a view into a shared buffer, valid until the reply is released.
        finish: the finish reason as the reply has it; empty: it has none.
        native_finish: the upstream provider's own finish reason, where a gateway passes it on.
        text: the model's words, or the message of the network's error.
        usage: tokens and pictures that the reply counts, by their name there.
        ended_at: seconds since the epoch, by which a date to wait for becomes a number of seconds.
    """

    ending: Ending
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    finish: str = ""
    native_finish: str = ""
    text: str = ""
    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING_USED)
    ended_at: float = field(default_factory=time.time, compare=False)


def attempt_of(reply: Reply, received: Attempt) -> Attempt:
    """The attempt as it is classified when its body was decoded and holds no usable answer.

    Args:
        reply: what the dialect made of the body.
        received: the attempt as it was received, "answered".
    """
    if reply.error is not None:
        named = (str(as_dict(reply.error).get(name)) for name in _STATUS_FIELDS)
        number = next((int(code) for code in named if re.fullmatch(r"[45]\d\d", code)), 0)
        body = dumps({"error": reply.error})
        return Attempt("status", number, received.headers, body, usage=reply.usage, ended_at=received.ended_at)
    ending: Trouble | Literal["finish"] = reply.trouble or "finish"
    return Attempt(
        ending or "finish",
        received.status,
        received.headers,
        bytes(received.body[:_MAX_SCANNED]) if ending in ("html", "not_json", "empty") else b"",
        reply.finish,
        reply.native_finish,
        reply.text,
        reply.usage,
        received.ended_at,
    )


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says.

    Args:
        codes: the values of all fields that hold a code, a type or a reason, in lower case.
        message: the error in the server's words.
        text: the whole body as text, as far as patterns look at it.
    """

    codes: frozenset[str] = frozenset()
    message: str = ""
    text: str = ""


def read_error(body: bytes) -> ErrorBody:
    """Read an error body: JSON, or else text, whose HTML tags are left out of the message."""
    text = body[:_MAX_SCANNED].decode("utf-8", "replace")
    try:
        parsed = loads(body)
    except ValueError:
        return ErrorBody(message=_TAG.sub(b" ", body[:_MAX_SCANNED]).decode("utf-8", "replace"), text=text)
    if "\\u" in text:  # Python's json escapes all that is not ASCII, and the patterns hold Chinese words as they are
        text = dumps(parsed)[:_MAX_SCANNED].decode("utf-8", "replace") or text
    return ErrorBody(frozenset(_codes(parsed)), message_of(parsed) or text, text)


def _codes(parsed: JSON) -> set[str]:
    named = (item for body in objects_in(parsed) for item in body.items() if item[0].lower() in _CODE_FIELDS)
    return {str(value).lower() for _, value in named if isinstance(value, str | int)}


def without_key(text: str, key: str) -> str:
    """Replace the key in a server's text by `[key]`, whether it stands there plain or as JSON, URLs or HTML escape it.

    Args:
        text: of the server. Where it holds the key escaped, the text comes back unescaped.
        key: the secret; empty: the text comes back as it is.
    """
    if not key:
        return text
    bare = text
    for _ in range(_MAX_ESCAPES):
        if key in bare:
            return bare.replace(key, "[key]")
        if not _ESCAPES.search(bare):
            break
        bare = _UNICODE.sub(lambda found: chr(int(found[1], 16)), unquote(html.unescape(bare))).replace("\\", "")
    return text


def escape(text: str, *, secret: str = "") -> str:
    """A server's text as a log may show it: one line of at most `MAX_SHOWN` characters, control characters escaped.

    Args:
        text: of the server.
        secret: the key, which becomes `[key]`; empty: there is none.
    """
    text = without_key(text[:_MAX_SCANNED], secret)
    text = " ".join(text[: 4 * MAX_SHOWN].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"
