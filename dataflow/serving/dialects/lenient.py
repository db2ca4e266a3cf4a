"""JSON and text as servers write them, in the form that everything behind takes for granted.

What is valid costs nothing more. What is not is read once more by Python's own parser, which also takes NaN, line
breaks within strings and halves of a character: servers cut text by UTF-16 units or by bytes, wherever that falls.
"""

import json
import re

import orjson

from dataflow.core.records import JSON

_LONGEST_INT = 18  # digits; orjson reads what has more as a float, too
_MOST_MARKS = 100_000  # of a document in a string: its commas may be escaped, which no count of a body sees
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def loads(data: bytes | memoryview) -> JSON:
    """The JSON value in these bytes; its strings may hold halves of a character, see `whole_text`.

    Raises:
        ValueError: it is none, or its end is missing.
    """
    try:
        value: JSON = orjson.loads(data)
    except orjson.JSONDecodeError as strict:
        try:
            value = _decoder.decode(bytes(data).decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            raise strict from None
    return value


def loads_inner(text: str) -> JSON:
    """The JSON value that a string of a JSON value spells out.

    Raises:
        ValueError: it spells out none, or one of more values than a reply has.
    """
    if text.count(",") + text.count(":") > _MOST_MARKS:
        raise ValueError("a document of too many values")
    return loads(text.encode("utf-8", "replace"))


def dumps(value: JSON) -> bytes:
    """The value as JSON, whatever `loads` took; nothing of one that is nested too deep."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        try:
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        except RecursionError:
            return b""


def whole_text(text: str) -> str:
    """The text with the halves of each character put together; a half without its other becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return _NO_BYTE.sub("\ufffd", joined).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


_decoder = json.JSONDecoder(strict=False, parse_int=_number)
