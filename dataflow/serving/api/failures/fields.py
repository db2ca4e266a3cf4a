"""Which field a refusal names as one that the server does not take.

Many refusals quote the request whole, and every field that was sent stands in the quote; others list the fields that
they do take. A place that a refusal points to, or a name that it calls unknown, is all that it refuses then. One that
does neither refuses what its own words name, beside what they quote or list.
"""

import re
from collections.abc import Collection

_SCANNED = 20_000
# The places that FastAPI and pydantic point to, and the field that OpenAI's form has for the name of one.
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
_ASKED = re.compile(r"""\b(?:prompt|messages)['"]?\s*[:=]""")
# An error says what is wrong under names of its own, with the quote somewhere below.
_OBJECT = re.compile(r"""\{\s*['"]?(?!(?:error|message|msg|detail|type|code|status|object|loc)\b)\w+['"]?\s*[:=]""")
_PAIR = r"""\w+=(?:'[^']*'|"[^"]*"|\{[^{}]*\}|\[[^\[\]]*\]|[^\s,;&'"{\[]+)"""
_PAIRS = re.compile(rf"\b{_PAIR}(?:[\s,;&]+{_PAIR})+")


def refused_fields(status: int, body: bytes | memoryview, names: Collection[str]) -> frozenset[str]:
    """Which of these fields a refusal names as not taken.

    Args:
        status: HTTP status.
        body: of the refusal.
        names: of fields that were sent.
    """
    if status not in (400, 422):
        return frozenset()
    text = _text(body)
    for pattern, alone in ((_PLACE, True), (_PARAMETER, False), (_UNKNOWN, True)):
        if found := pattern.findall(text):
            named = {word for each in found for word in re.findall(r"[\w-]+", each)} & set(names)
            if named or alone:
                return frozenset(named)
    text = _LISTED.sub(" ", without_request(text))
    return frozenset(name for name in names if names_word(text, name))


def own_words(body: bytes | memoryview) -> str:
    """What an error body says itself, beside the request that it quotes."""
    return without_request(_text(body))


def without_request(text: str) -> str:
    """An error's text without the request that it quotes, as JSON, as Python writes it or as `name=value` pairs."""
    text = _unescaped(text)
    asked = max((found.start() for found in _ASKED.finditer(text)), default=-1)
    begin = next((found.start() for found in _OBJECT.finditer(text) if found.start() < asked), None)
    if begin is not None:
        text = f"{text[:begin]} {text[_end_of_object(text, begin) :]}"
    return _PAIRS.sub(" ", text)


def names_word(text: str, name: str) -> bool:
    """Whether a field's name stands in a text, as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _text(body: bytes | memoryview) -> str:
    return _unescaped(bytes(body[:_SCANNED]).decode("utf-8", "replace"))


def _unescaped(text: str) -> str:
    """Text within text as it was before it was escaped."""
    return re.sub(r"\\+(?=[\"'/])", "", text)


def _end_of_object(text: str, begin: int) -> int:
    """Where what opens here is closed; the end of a text that is cut off before."""
    depth = 0
    for place in range(begin, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place + 1
    return len(text)
