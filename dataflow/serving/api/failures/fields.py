"""Finds the fields that a refusal names as ones that the server does not take.

Many refusals quote the whole request, so every field that was sent stands in the quote; other refusals list the fields
that the server takes. Where a refusal points to a place, or calls a name unknown, only that field is refused. Otherwise
those fields are refused that stand in the refusal's own words, outside of quotes and lists.
"""

import re
from collections.abc import Collection

_MAX_SCANNED = 20_000  # bytes of an error body
# The form in which FastAPI and pydantic point to a field, and the one in which OpenAI does.
_PLACE = re.compile(r"""['"]loc['"]\s*:\s*[\[(]([^\])]{0,300})[\])]""")
_PARAMETER = re.compile(r"""['"](?:param|parameter|field)['"]\s*:\s*['"]([\w.\[\]-]{1,100})['"]""")
_NAME = r"""['"`][\w.\[\]-]{1,100}['"`]"""
_UNKNOWN = re.compile(
    r"\b(?:unknown|unsupported|unrecogni[sz]ed|unexpected|invalid|extra|additional)(?: (?:keyword|request|form|body))?"
    r" (?:parameter|argument|field|propertie|property|name|key|option)s?"
    r"(?: (?:supplied|given|provided|found|received))?:? ?[(\[]?"
    rf"({_NAME}(?:(?:, ?| and |, and ){_NAME})*)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:\bexpected one of|(?<!not )(?<!not a )\b(?:allowed|supported|valid|accepted|known|available)(?: \w+){0,2}:)"
    r"[^\n.]*",
    re.IGNORECASE,
)
_REQUEST_FIELD = re.compile(r"""\b(?:prompt|messages)['"]?\s*[:=]""")  # a field of every request, so of every quote
# The object that begins a quoted request; the objects of the error itself begin with other names.
_OBJECT = re.compile(r"""\{\s*['"]?(?!(?:error|message|msg|detail|type|code|status|object|loc)\b)\w+['"]?\s*[:=]""")
_PAIR = r"""\w+=(?:'[^']*'|"[^"]*"|\{[^{}]*\}|\[[^\[\]]*\]|[^\s,;&'"{\[]+)"""
_PAIRS = re.compile(rf"\b{_PAIR}(?:[\s,;&]+{_PAIR})+")


def refused_fields(status: int, body: bytes | memoryview, names: Collection[str]) -> frozenset[str]:
    """Those of the sent fields that a refusal names as not taken.

    Args:
        status: HTTP status; another one than 400 and 422 refuses no field.
        body: of the refusal.
        names: of the fields that were sent.
    """
    if status not in (400, 422):
        return frozenset()
    text = _text(body)
    for pattern, decides in ((_PLACE, True), (_PARAMETER, False), (_UNKNOWN, True)):
        if matches := pattern.findall(text):
            named = {word for match in matches for word in re.findall(r"[\w-]+", match)} & set(names)
            if named or decides:
                return frozenset(named)
    text = _LISTED.sub(" ", without_request(text))
    return frozenset(name for name in names if names_word(text, name))


def own_words(body: bytes | memoryview) -> str:
    """The text of an error body without the request that it quotes."""
    return without_request(_text(body))


def without_request(text: str) -> str:
    """An error's text without the request that it quotes, as JSON, as a dict of Python, or as `name=value` pairs."""
    text = _unescaped(text)
    last_field = max((found.start() for found in _REQUEST_FIELD.finditer(text)), default=-1)
    begin = next((found.start() for found in _OBJECT.finditer(text) if found.start() < last_field), None)
    if begin is not None:
        text = f"{text[:begin]} {text[_end_of_object(text, begin) :]}"
    return _PAIRS.sub(" ", text)


def names_word(text: str, name: str) -> bool:
    """Whether a field's name stands in a text, as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _text(body: bytes | memoryview) -> str:
    return _unescaped(bytes(body[:_MAX_SCANNED]).decode("utf-8", "replace"))


def _unescaped(text: str) -> str:
    """The text with quotes and slashes as they were before one JSON text was put into another."""
    return re.sub(r"\\+(?=[\"'/])", "", text)


def _end_of_object(text: str, begin: int) -> int:
    """The index behind the brace that closes the object that begins here; the text's end where it is cut off."""
    depth = 0
    for place in range(begin, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place + 1
    return len(text)
