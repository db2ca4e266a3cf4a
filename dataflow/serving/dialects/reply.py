"""What every wire format shares: the request body, the reply, and how a picture is read from text.

Nothing here touches the network or the disk. A picture's label (its MIME type) is ignored: whoever
saves the bytes looks at the bytes.
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

Trouble = Literal["", "blank", "html", "not_json", "truncated", "empty", "bad_picture", "task"]
EncodedPicture = tuple[str, bytes]
Value = TypeVar("Value")

# What a picture in a text begins with: an image of markdown, a link to a data URL, a tag of HTML, a data URL in a
# fence. Bounded by the first bracket, so that a text of a million "![" is read in linear time.
_OPENING = re.compile(
    r"!\[[^\[\]\n]*\]\(\s*<?(?=data:|https?://|/)|\[[^\[\]\n]*\]\(\s*<?(?=data:image/)"
    r"|<img\s(?:[^<>]{0,300}\s)?src\s?=\s?[\"']?(?=data:image/|https?://|/)|```\w{0,20}\s{1,9}(?=data:image/)",
    re.IGNORECASE,
)
# No base64 of a picture: that of a JPEG alone begins with a slash, and none has a point in it.
_LINK_WITHOUT_HOST = re.compile(
    r"/(?!9j/)[\w%-]+[/.?][^\s\"'<>]{0,2000}|(?!(?i:data:))[\w%/:-]{1,500}\.[^\s\"'<>]{1,2000}"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]+")  # what some relays put into long words
_MARK = re.compile("\0(\\d+)\0")
_THOUGHTS = frozenset(("thinking", "redacted_thinking", "reasoning", "thought"))
_LONGEST_NAME, _MOST_NUMBERS = 500, 200  # of a usage: it goes into the journal; APIs count some twenty things
_TASK_FIELDS = ("task_id", "taskId", "polling_url", "status_url")
_PICTURE_FIELDS = (
    *("image_url", "inline_data", "inlineData", "image", "url", "b64_json", "data", "image_base64", "base64"),
)


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request, ready to be sent.

    Args:
        path: below the address.
        content: the JSON body; empty for a multipart one.
        fields: of a multipart body.
        files: of a multipart body: field, file name, bytes, MIME type.

    Raises:
        ConfigError: the path does not begin with a slash. An address of its own would take the key to another host.
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
    """A picture that the reply names instead of holding."""

    url: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a body says.

    Args:
        images: pictures in the model's order, undecoded and unverified.
        text: the model's words, without its thoughts and the pictures that were written into them.
        usage: every number of the reply's usage, nested ones as `outer.inner`; true and false as 1 and 0.
        finish: the finish reason as sent.
        native_finish: the upstream provider's own finish reason, where a gateway passes it on.
        model: who answered, as the reply names it; empty where it does not.
        provider: at which provider, where a router says so.
        error: the error object of a reply that failed after HTTP 200.
        trouble: why the reply cannot be used as it stands, in a word that the catalogue of failures knows: `blank`,
            `html`, `not_json`, `truncated`, `empty`, `bad_picture` or `task`; empty if it can.

    Raises:
        ConfigError: another word.
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
    """A picture from a data URL, bare base64, an http(s) address or a link that leaves out its host.

    Base64 may have line breaks, invisible characters, the alphabet of URLs, escapes of URLs, and too much or too little
    padding.

    Raises:
        ValueError: neither an address nor non-empty base64.
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
    """Base64 of any writing in that of RFC 4648, section 4; what is no base64 stays none."""
    for end in "\"'>":  # in markdown a title may follow
        text = text.partition(end)[0]
    text = unquote(text).replace("\\r", "").replace("\\n", "\n").replace("\\t", "").replace("\t", "")
    lines = [line.strip() for line in text.splitlines()]
    # A form decoded once too often turns "+" into a blank.
    bare = "".join(lines).replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def first_pictures(fields: Iterable[Iterable[str]]) -> tuple[tuple[bytes | UrlRef, ...], bool]:
    """The pictures of the first field whose last one is valid, each once, and whether an invalid one was passed over.

    The last one is the result: a model that thinks may send its drafts before, without a mark.
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
    """The values, each where it stands last; a single one is not hashed, since it may be megabytes."""
    held = list(values)
    return held if len(held) < 2 else list(dict.fromkeys(reversed(held)))[::-1]


def is_thought(part: JSON) -> bool:
    """Whether a part of a message is what the model only thought."""
    return isinstance(part, dict) and (part.get("thought") is True or part.get("type") in _THOUGHTS)


def picture_source(part: JSON) -> str:
    """The data URL, base64 or address inside a part of a message; empty when it is no picture, or only a thought."""
    for _ in range(4):
        if isinstance(part, str):
            return part
        if not isinstance(part, dict) or is_thought(part):
            return ""
        names = (*_PICTURE_FIELDS, "source") if part.get("type") == "image" else _PICTURE_FIELDS
        part = next((part[name] for name in names if part.get(name)), None)
    return ""


def part_text(part: JSON) -> str:
    """The words of a part of a message; empty when it has none, or is only a thought."""
    return as_text(part.get("text")) if isinstance(part, dict) and not is_thought(part) else ""


def split_markdown(text: str) -> tuple[str, list[str]]:
    """The words and the picture sources of a text with `![alt](source)` or the like in it, any number; no thought's."""
    words, sources = _split(text)
    joined = "".join(words)
    if len(without_thoughts(joined)) == len(without_analysis(joined)) == len(joined):
        return joined.strip(), sources
    # Pictures are megabytes: a mark stands for each where thoughts are taken out.
    marks = [*(f"\0{number}\0" for number in range(len(sources))), ""]
    marked = "".join(each.replace("\0", "") + mark for each, mark in zip(words, marks, strict=False))
    answer = without_thoughts(marked)
    concluded = without_analysis(answer)
    answer = concluded if concluded or sources else answer  # words may have been asked for in this form
    return _MARK.sub("", answer).strip(), [sources[int(number)] for number in _MARK.findall(answer)]


def _split(text: str) -> tuple[list[str], list[str]]:
    """The words before, between and behind the pictures, and their sources; of one without an end an empty one."""
    words: list[str] = []
    sources: list[str] = []
    at = 0
    while opening := _OPENING.search(text, at):
        words.append(text[at : opening.start()])
        closing = {"`": "```", "<": ">"}.get(opening[0][0], ")")
        close = text.find(closing, opening.end())
        if close < 0:
            return words, [*sources, ""]
        source = text[opening.end() : close].strip()
        if closing == ">":  # further attributes may follow
            source = re.split("[\"']", source, maxsplit=1)[0]
        # A title may follow an address, and stand in brackets.
        sources.append(source if source[:5].lower() == "data:" else source.split(None, 1)[0].rstrip(">"))
        at = close + len(closing)
    return [*words, text[at:]], sources


def read_usage(usage: JSON) -> Mapping[str, float]:
    """The numbers of a usage object, one level of nesting flattened; Google's lists of modalities as `name.IMAGE`.

    True and false count as 1 and 0: a gateway says by one whose key paid. Of very many the first count.
    """
    if not isinstance(usage, dict):
        return NOTHING_USED
    numbers: dict[str, float] = {}
    for name, value in usage.items():
        if isinstance(value, list):
            counted = {str(each.get("modality")): each for each in as_dicts(value)}
            value = {kind: each.get("tokenCount", each.get("token_count")) for kind, each in counted.items()}
        inner = {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
        for key, each in inner.items():
            if _is_number(each) and _is_name(key) and len(numbers) < _MOST_NUMBERS:
                numbers[whole_text(key)] = +each
    return numbers


def _is_name(key: str) -> bool:
    return len(key) <= _LONGEST_NAME and key != PICTURES_SENT  # that we count ourselves


def _is_number(value: JSON) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and isfinite(value)


def is_task(body: Mapping[str, JSON]) -> bool:
    """Whether a reply hands out a task to poll instead of an answer."""
    inner = body.get("data") or body.get("output")
    places = [body, *(each for each in (inner if isinstance(inner, list) else [inner]) if isinstance(each, dict))]
    return any(name in place for place in places for name in _TASK_FIELDS)
