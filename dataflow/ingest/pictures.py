"""Reads the pictures of a field: bytes, Hugging Face's struct, a path, an address, base64, or a list of these."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from dataflow.errors import RowError
from dataflow.ingest.records import Bytes, Local, Picture, Remote
from dataflow.utils.files import PathRules

_INLINE = re.compile(r"data:[\w/+.-]*;base64,")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_OF_OBJECTS = re.compile(r"(s3|gs|az)://", re.IGNORECASE)  # a key is not URL-encoded: it may have ` `, `#` and `?`
_LONGEST_PATH = 1024  # characters; a longer text is base64


def pictures_of(value: object, rules: PathRules | str | None) -> list[Picture]:
    """The pictures of a field, in order; null and an empty text are no picture.

    Args:
        value: of the field.
        rules: where relative paths begin, on this machine or at an address; None: the source has no files.

    Raises:
        RowError: the value is no picture, or the file does not exist.
    """
    return list(_found(value, rules))


def _found(value: object, rules: PathRules | str | None) -> Iterator[Picture]:
    if value is None or value == "" or value == b"":
        return
    if isinstance(value, Bytes | Local | Remote):
        yield value
    elif isinstance(value, bytes):
        yield Bytes(value)
    elif isinstance(value, str):
        yield _picture_of_text(value, rules)
    elif isinstance(value, Mapping) and {"bytes", "path"} & value.keys():
        data, path = value.get("bytes"), value.get("path")
        if isinstance(data, bytes) and data:
            yield Bytes(data, path if isinstance(path, str) else "")
        else:
            yield from _found(path, rules)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _found(each, rules)
    else:
        raise RowError(f"holds {value!r:.60}, which is no picture: give bytes, a path or an address")


def _picture_of_text(text: str, rules: PathRules | str | None) -> Picture:
    if inline := _INLINE.match(text):
        return Bytes(_decoded(text[inline.end() :]))
    if ADDRESS.match(text):
        return Remote(text)
    if len(text) > _LONGEST_PATH:
        return Bytes(_decoded(text))
    if isinstance(rules, str):
        name = text.removeprefix("./").lstrip("/")
        return Remote(f"{rules.rstrip('/')}/{name if _OF_OBJECTS.match(rules) else quote(name)}")
    if rules is None:
        raise RowError(f"names a file, {text!r:.200}, and this source brings none: give --root, where its files lie")
    return Local(Path(rules.resolve(text)))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RowError(f"holds {text[:40]!r}..., which is neither a path nor base64") from None
