"""Reads JSON and text with the faults that servers put into them.

Valid JSON is read by orjson alone. Other JSON is read once more by Python's own parser, which also takes NaN, line
breaks within strings and halves of a character: some servers cut text by UTF-16 units or by bytes, wherever that falls.
"""

import json
import re

import orjson

from dataflow.core.records import JSON

_MAX_INT_DIGITS = 18  # a longer integer becomes a float, as with orjson
_MAX_MARKS = 100_000  # commas and colons of a document in a string, where `Body` cannot count them: they may be escaped
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # halves of a character that stand for no undecodable byte


def loads(data: bytes | memoryview) -> JSON:
    """The JSON value in these bytes; its strings may hold halves of a character, which `whole_text` mends.

    Raises:
        ValueError: the bytes are no JSON, or its end is missing.
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
    """The JSON value that a string within another JSON value spells out.

    Raises:
        ValueError: the string is no JSON, or has more values than a reply has.
    """
    if text.count(",") + text.count(":") > _MAX_MARKS:
        raise ValueError("a document of too many values")
    return loads(text.encode("utf-8", "replace"))


def dumps(value: JSON) -> bytes:
    """Any value of `loads` as JSON; empty: it is nested too deep."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        try:
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        except RecursionError:
            return b""


def whole_text(text: str) -> str:
    """The text with the two halves of each character joined; a half without the other one becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return _NO_BYTE.sub("\ufffd", joined).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else float(digits)


_decoder = json.JSONDecoder(strict=False, parse_int=_number)
