"""One attempt at one request: what was asked, how it ended, and what an error body says.

Values only, so that a failure can be classified without the server that caused it.
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

On = (
    Literal["answered", "no_file", "unconnected", "unsent", "lost", "truncated", "blank", "html"]
    | Literal["not_json", "empty", "bad_picture", "task", "status", "finish"]
)

SAID_LENGTH = 300
_SCANNED = 20_000
_CODE_FIELDS = frozenset(("code", "type", "status", "reason", "error_code", "errorcode", "blockreason", "errcode"))
_STATUS_FIELDS = ("code", "status", "http_code", "status_code", "statusCode")
_ESCAPED_TIMES = 4  # text within text within text
_ESCAPES = re.compile(r"[\\%&]")
_UNICODE = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")
_TAG = re.compile(rb"<[^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a request went, for the words of an error.

    Args:
        address: the normalised api_url.
        path: below it.
        model: the model's name.
        key_name: the environment variable the key is read from.
        secret: the key; it is cut out of whatever the provider says.
        fields: top-level fields that go with every request.
    """

    address: str
    path: str
    model: str
    key_name: str
    secret: str = field(default="", repr=False)
    fields: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        """Host and port of the address."""
        return urlsplit(self.address).netloc


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Args:
        on: "answered" if there is a usable body, else what stands in its way.
        status: HTTP status; 0 if there was none.
        headers: of the reply, names in lower case.
        body: of the reply; of a large one a view, for as long as the reply is held.
        finish: finish reason as sent.
        native_finish: the upstream provider's finish reason.
        text: the model's words, or those of the network layer.
        usage: what the reply charged for.
        ended_at: seconds since the epoch; servers name dates to wait for.
    """

    on: On
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    finish: str = ""
    native_finish: str = ""
    text: str = ""
    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING_USED)
    ended_at: float = field(default_factory=time.time, compare=False)


def attempt_of(reply: Reply, received: Attempt) -> Attempt:
    """The attempt whose body could be read but holds no usable answer."""
    if reply.error is not None:
        named = (str(as_dict(reply.error).get(name)) for name in _STATUS_FIELDS)
        number = next((int(code) for code in named if re.fullmatch(r"[45]\d\d", code)), 0)
        body = dumps({"error": reply.error})
        return Attempt("status", number, received.headers, body, usage=reply.usage, ended_at=received.ended_at)
    on: Trouble | Literal["finish"] = reply.trouble or "finish"
    return Attempt(
        on or "finish",
        received.status,
        received.headers,
        bytes(received.body[:_SCANNED]) if on in ("html", "not_json", "empty") else b"",
        reply.finish,
        reply.native_finish,
        reply.text,
        reply.usage,
        received.ended_at,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """An error body: its codes in lower case, its message, and its text as far as patterns look at it."""

    codes: frozenset[str] = frozenset()
    message: str = ""
    text: str = ""


def read_error(body: bytes) -> Said:
    """What an error body says, JSON or not."""
    text = body[:_SCANNED].decode("utf-8", "replace")
    try:
        parsed = loads(body)
    except ValueError:
        return Said(message=_TAG.sub(b" ", body[:_SCANNED]).decode("utf-8", "replace"), text=text)
    if "\\u" in text:  # a server of Python escapes all that is not ASCII
        text = dumps(parsed)[:_SCANNED].decode("utf-8", "replace") or text
    return Said(frozenset(_codes(parsed)), message_of(parsed) or text, text)


def _codes(parsed: JSON) -> set[str]:
    named = (item for each in objects_in(parsed) for item in each.items() if item[0].lower() in _CODE_FIELDS)
    return {str(value).lower() for _, value in named if isinstance(value, str | int)}


def without_key(text: str, key: str) -> str:
    """A stranger's text without the key, however it is written there: as it is, or escaped as JSON, URLs or HTML do.

    Args:
        text: of the stranger; where the key stands escaped in it, all of it comes back unescaped.
        key: what becomes `[key]`; empty for nothing.
    """
    if not key:
        return text
    bare = text
    for _ in range(_ESCAPED_TIMES):
        if key in bare:
            return bare.replace(key, "[key]")
        if not _ESCAPES.search(bare):
            break
        bare = _UNICODE.sub(lambda found: chr(int(found[1], 16)), unquote(html.unescape(bare))).replace("\\", "")
    return text


def escape(text: str, *, secret: str = "") -> str:
    """Text of a stranger for a log: one line, control characters escaped, the key cut out, at most `SAID_LENGTH`."""
    text = without_key(text[:_SCANNED], secret)
    text = " ".join(text[: 4 * SAID_LENGTH].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= SAID_LENGTH else shown[: SAID_LENGTH - 1] + "…"
