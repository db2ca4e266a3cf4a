"""What all wire formats share: the HTTP request, the reply, and the search for pictures in a reply's text.

Nothing here touches the network or the disk. The MIME type that a reply gives a picture is ignored, since `io` reads
the type from the bytes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeGuard, TypeVar, get_args
from urllib.parse import unquote

import pybase64

from dataflow.core.records import JSON, NOTHING_USED, PICTURES_SENT
from dataflow.errors import ConfigError
from dataflow.serving.dialects.lenient import whole_text
from dataflow.serving.dialects.narrow import as_dicts, as_text
from dataflow.taxonomy.thoughts import without_analysis, without_thoughts

# Why a body is no answer: it has no bytes, is a web page, is no JSON, breaks off, holds nothing of an answer, holds a
# picture that cannot be decoded, or hands out a task to poll. Empty: it may be an answer.
Trouble = Literal["", "blank", "html", "not_json", "truncated", "empty", "bad_picture", "task"]
EncodedPicture = tuple[str, bytes]
Value = TypeVar("Value")

# The beginning of a picture in a text: an image of markdown, a link to a data URL, a tag of HTML, or a data URL in a
# code fence. An opening ends at the first bracket, so that a text of a million "![" is read in linear time.
_OPENING = re.compile(
    r"!\[[^\[\]\n]*\]\(\s*<?(?=data:|https?://|/)|\[[^\[\]\n]*\]\(\s*<?(?=data:image/)"
    r"|<img\s(?:[^<>]{0,300}\s)?src\s?=\s?[\"']?(?=data:image/|https?://|/)|```\w{0,20}\s{1,9}(?=data:image/)",
    re.IGNORECASE,
)
# A path that is no base64: of all formats' base64 only a JPEG's begins with a slash ("/9j/"), and none has a dot.
_LINK_WITHOUT_HOST = re.compile(
    r"/(?!9j/)[\w%-]+[/.?][^\s\"'<>]{0,2000}|(?!(?i:data:))[\w%/:-]{1,500}\.[^\s\"'<>]{1,2000}"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]+")  # characters that some relays put into long words
_MARK = re.compile("\0(\\d+)\0")  # stands for a picture, by its number
_THOUGHTS = frozenset(("thinking", "redacted_thinking", "reasoning", "thought"))
_MAX_NAME, _MAX_NUMBERS = 500, 200  # of a usage, which is journalled: APIs count some twenty things
_TASK_FIELDS = ("task_id", "taskId", "polling_url", "status_url")
_PICTURE_FIELDS = (
    *("image_url", "inline_data", "inlineData", "image", "url", "b64_json", "data", "image_base64", "base64"),
)


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP POST, ready to be sent.

    Args:
        path: below the serving's address.
        content: the JSON body; empty: the body is multipart.
        fields: of a multipart body: name → value.
        files: of a multipart body: (name of the field, name of the file, bytes, MIME type) of each.

    Raises:
        ConfigError: the path does not begin with a slash. A whole URL would send the key to another host.
    """

    path: str
    content: bytes = b""
    fields: Mapping[str, JSON] = field(default_factory=dict)
    files: tuple[tuple[str, str, bytes, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ConfigError(f"Post({self.path!r}): begin the path with '/'; the serving's address comes before it")


@dataclass(frozen=True, slots=True)
class UrlRef:
    """A picture that a reply names by its URL, or by a path at the reply's own server."""

    url: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the body of a reply says.

    Args:
        images: the pictures in the model's order: encoded bytes, not yet verified, or where to fetch them.
        text: the model's words, without its thoughts and without pictures that are written into the words.
        usage: every number of the reply's usage, nested ones as `outer.inner`; true and false count as 1 and 0.
        finish: the finish reason as the reply has it; empty: it has none.
        native_finish: the upstream provider's own finish reason, where a gateway passes it on; else empty.
        model: the model that answered, as the reply names it; empty: the reply does not name it.
        provider: the provider that answered, where a router names it; else empty.
        error: the error in a reply of HTTP 200, as its JSON; None: there is none.
        trouble: why the reply is no answer, as one of the words for which the table of failures has rules: `blank`,
            `html`, `not_json`, `truncated`, `empty`, `bad_picture` or `task`; empty: it may be one.

    Raises:
        ConfigError: `trouble` is another word.
    """

    images: tuple[bytes | UrlRef, ...] = ()
    text: str = ""
    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING_USED)
    finish: str = ""
    native_finish: str = ""
    model: str = ""
    provider: str = ""
    error: JSON = None
    trouble: Trouble = ""

    def __post_init__(self) -> None:
        if self.trouble not in get_args(Trouble):
            known = ", ".join(filter(None, get_args(Trouble)))
            raise ConfigError(f"a dialect decodes to Reply(trouble={self.trouble!r:.80}): use one of {known}")
        for name in ("text", "finish", "native_finish", "model", "provider"):
            object.__setattr__(self, name, whole_text(getattr(self, name)))


def read_picture(source: str) -> bytes | UrlRef:
    """Read a picture from a data URL, bare base64, an http(s) URL, or a path at the reply's own server.

    Base64 may have line breaks, invisible characters, the alphabet of URLs, escapes of URLs, and too much or too little
    padding.

    Args:
        source: as it stands in the reply.

    Raises:
        ValueError: `source` is neither a URL nor non-empty base64.
    """
    source = (source if source.isascii() else _INVISIBLE.sub("", source)).strip()
    if source[:8].lower().startswith(("http://", "https://")) or _LINK_WITHOUT_HOST.fullmatch(source):
        return UrlRef(whole_text(source))
    while source[:5].lower() == "data:":
        head, comma, source = source.partition(",")
        if not comma or "base64" not in head.replace(" ", "").lower().split(";"):
            raise ValueError("a data URL without base64")
    try:
        data = pybase64.b64decode(source, validate=True)
    except ValueError:
        data = pybase64.b64decode(_normal_base64(source), validate=True)
    if not data:
        raise ValueError("a picture of no bytes")
    return data


def _normal_base64(text: str) -> str:
    """Base64 of any writing in that of RFC 4648, section 4; a text that is no base64 does not become any."""
    for end in "\"'>":  # in markdown a title may follow, in HTML further attributes
        text = text.partition(end)[0]
    text = unquote(text).replace("\\r", "").replace("\\n", "\n").replace("\\t", "").replace("\t", "")
    lines = [line.strip() for line in text.splitlines()]
    # A form that was decoded twice has blanks in place of "+".
    bare = "".join(lines).replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def first_pictures(fields: Iterable[Iterable[str]]) -> tuple[tuple[bytes | UrlRef, ...], bool]:
    """The pictures of the first field whose last picture is valid, without repetitions.

    The last picture is the result: a model that thinks may send its drafts before it, without a sign that they are
    drafts. So a field whose last picture is invalid has no result.

    Args:
        fields: the sources of pictures in each field of a reply where pictures may stand, in the order of preference.

    Returns:
        The pictures; and whether an invalid one was passed over.
    """
    damaged = False
    for sources in fields:
        found: list[bytes | UrlRef] = []
        whole = False
        for source in _each_once(sources):
            try:
                found.append(read_picture(source))
                whole = True
            except ValueError:
                damaged, whole = True, False
        if whole:
            return tuple(_each_once(found)), damaged
    return (), damaged


def _each_once(values: Iterable[Value]) -> list[Value]:
    """The values without repetitions, each at its last place; a single one is not hashed, since it may be megabytes."""
    held = list(values)
    return held if len(held) < 2 else list(dict.fromkeys(reversed(held)))[::-1]


def is_thought(part: JSON) -> bool:
    """Whether a part of a message holds the model's thoughts, and nothing of its answer."""
    return isinstance(part, dict) and (part.get("thought") is True or part.get("type") in _THOUGHTS)


def picture_source(part: JSON) -> str:
    """The data URL, base64 or URL of the picture in a part of a message; empty: it has none, or is a thought."""
    for _ in range(4):
        if isinstance(part, str):
            return part
        if not isinstance(part, dict) or is_thought(part):
            return ""
        names = (*_PICTURE_FIELDS, "source") if part.get("type") == "image" else _PICTURE_FIELDS
        part = next((part[name] for name in names if part.get(name)), None)
    return ""


def part_text(part: JSON) -> str:
    """The words of a part of a message; empty: it has none, or is a thought."""
    return as_text(part.get("text")) if isinstance(part, dict) and not is_thought(part) else ""


def split_markdown(text: str) -> tuple[str, list[str]]:
    """The words of a text, and the sources of the pictures that `![alt](source)` or the like put into it.

    Neither words nor pictures of thoughts are among them.
    """
    words, sources = _split(text)
    joined = "".join(words)
    if len(without_thoughts(joined)) == len(without_analysis(joined)) == len(joined):
        return joined.strip(), sources
    # A mark stands for each picture while the thoughts are removed, since pictures are megabytes.
    marks = [*(f"\0{number}\0" for number in range(len(sources))), ""]
    marked = "".join(piece.replace("\0", "") + mark for piece, mark in zip(words, marks, strict=False))
    answer = without_thoughts(marked)
    concluded = without_analysis(answer)
    # A text that is all analysis, without a picture, stays an answer: the user may have asked for an analysis.
    answer = concluded if concluded or sources else answer
    return _MARK.sub("", answer).strip(), [sources[int(number)] for number in _MARK.findall(answer)]


def _split(text: str) -> tuple[list[str], list[str]]:
    """The words before, between and behind the pictures, and the pictures' sources; empty: one has no end."""
    words: list[str] = []
    sources: list[str] = []
    position = 0
    while opening := _OPENING.search(text, position):
        words.append(text[position : opening.start()])
        closing = {"`": "```", "<": ">"}.get(opening[0][0], ")")
        close = text.find(closing, opening.end())
        if close < 0:
            return words, [*sources, ""]
        source = text[opening.end() : close].strip()
        if closing == ">":  # further attributes may follow
            source = re.split("[\"']", source, maxsplit=1)[0]
        # A title may follow an address, and stand in brackets.
        sources.append(source if source[:5].lower() == "data:" else source.split(None, 1)[0].rstrip(">"))
        position = close + len(closing)
    return [*words, text[position:]], sources


def read_usage(usage: JSON) -> Mapping[str, float]:
    """The numbers of a usage object; nested ones are named `outer.inner`, those in Google's lists `name.IMAGE`.

    True and false count as 1 and 0, since a gateway says by one of them whose key paid. Of more than 200 numbers the
    first ones are taken.

    Args:
        usage: as JSON; no object: there are no numbers.
    """
    if not isinstance(usage, dict):
        return NOTHING_USED
    numbers: dict[str, float] = {}
    for name, value in usage.items():
        if isinstance(value, list):
            counted = {str(count.get("modality")): count for count in as_dicts(value)}
            value = {kind: count.get("tokenCount", count.get("token_count")) for kind, count in counted.items()}
        inner = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        for key, number in inner.items():
            if _is_number(number) and _is_name(key) and len(numbers) < _MAX_NUMBERS:
                numbers[whole_text(key)] = +number
    return numbers


def _is_name(key: str) -> bool:
    return len(key) <= _MAX_NAME and key != PICTURES_SENT  # under this name `Replies` counts pictures itself


def _is_number(value: JSON) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and isfinite(value)


def is_task(body: Mapping[str, JSON]) -> bool:
    """Whether a reply hands out a task to poll instead of an answer."""
    inner = body.get("data") or body.get("output")
    places = [body, *(place for place in (inner if isinstance(inner, list) else [inner]) if isinstance(place, dict))]
    return any(name in place for place in places for name in _TASK_FIELDS)
