"""One row as a json line, and back: nothing lost, and for every reader.

orjson is fast; what it does not hold exactly or refuses goes through the standard library: integers over 64 bits, the
NaN that `json.dumps` writes, half of a character (text cut in the middle of an emoji, a file name that is not UTF-8). A
row is written with null for NaN and with an escape for half a character.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import orjson

from dataflow.core.records import Row
from dataflow.errors import ConfigError, InputError, RowError

_LONG_INTEGER = re.compile(rb"\d{19}")
_HIGH_PAIR = re.compile(rb"[\x81-\xfe][\xa1-\xfe]")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_FIX = "Leave the column out or give it as text; a picture belongs in a file that the row names"
_MISSING = ("NAType", "NaTType")  # what pandas has for nothing


def dump_row(row: Row) -> bytes:
    """One row as a json line, without the newline.

    Raises:
        RowError: a value has no form in JSON; names the column, the value's type and the fix.
    """
    try:
        return orjson.dumps(row, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return _encode(dict(_field(name, value) for name, value in row.items()))


def writable(row: Row) -> Row:
    """The row without the columns that have no form in JSON."""
    try:
        dump_row(row)
    except RowError:
        return {name: value for name, value in row.items() if _has_form({name: value})}
    return row


def _has_form(row: Row) -> bool:
    try:
        dump_row(row)
    except RowError:
        return False
    return True


def dump_value(value: object) -> bytes:
    """A value of a row as JSON.

    Raises:
        TypeError: it has no form in JSON.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return _encode(_exact(value))


def _encode(value: object) -> bytes:
    # What UTF-8 cannot hold stands within a string here, so Python's escape is JSON's as well.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def _field(column: object, value: object) -> tuple[str, object]:
    try:
        return _key(column), _exact(value)
    except TypeError as error:
        why = f"holds {error}"
    except RecursionError:
        why = "holds values that are nested too deeply, or within themselves"
    except ValueError as error:
        why = f"holds a number of too many digits: {error}"
    raise RowError(f"column `{column}` {why}. {_FIX}")


def _exact(value: object) -> object:
    """The value in the types of JSON, as orjson would write it: no digit lost, NaN as null."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(str(value))  # Python refuses to write one of more than 4,300 digits
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    try:
        return orjson.loads(orjson.dumps(value, default=_plain, option=_OPTIONS))
    except orjson.JSONEncodeError:
        return _exact(_plain(value))


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    try:
        return str(next(iter(orjson.loads(orjson.dumps({key: 0}, option=_OPTIONS)))))
    except orjson.JSONEncodeError:
        raise TypeError(f"a key of type {type(key).__name__}, which JSON has no form for: {key!r:.80}") from None


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):  # in one order, or a later step would ask for other words in each run
        return sorted(value, key=_order)
    if isinstance(value, tuple):
        return list(value)
    if type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "tolist"):  # a numpy array orjson does not take, a pandas value
        return value.tolist()
    if hasattr(value, "isoformat"):  # a pandas time; orjson knows those of the standard library
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__}, which JSON has no form for: {value!r:.80}")


def _order(item: object) -> tuple[str, Any]:
    return type(item).__name__, item if isinstance(item, int | float) else repr(item)


def parse(text: bytes) -> object:
    """What a JSON text says, with all its digits; NaN and half a character are taken.

    Raises:
        ValueError: it is no JSON, or nested too deeply; a UnicodeDecodeError where it is not UTF-8.
    """
    if _LONG_INTEGER.search(text):
        return _parse_slowly(text)
    try:
        return orjson.loads(text)
    except ValueError as error:
        try:
            return _parse_slowly(text)
        except UnicodeDecodeError:
            raise
        except ValueError:
            raise error from None


def _parse_slowly(text: bytes) -> object:
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def load_row(line: bytes, path: Path, number: int) -> Row:
    """One json line as a row.

    Raises:
        InputError: not UTF-8, not JSON, or not an object; names path and line.
    """
    try:
        row = parse(line)
    except UnicodeDecodeError as error:
        raise not_utf8(path, number, error) from None
    except ValueError as error:
        start = line[:60].decode("utf-8", "replace")
        raise InputError(f"{path}:{number}: not valid JSON ({error}); the line starts with {start!r}") from None
    if not isinstance(row, dict):
        raise InputError(f"{path}:{number}: expected one JSON object a line, found a {type(row).__name__}")
    return row


def as_written(row: Row, path: Path, number: int) -> Row:
    """The row as the next step will read it.

    Raises:
        ConfigError: a value has no form in JSON; names path, record and column.
    """
    try:
        return load_row(dump_row(row), path, number)
    except RowError as error:
        known = path.suffix.lower() == ".parquet"
        made = f"; of pictures as bytes `dataflowmm import {path} --out rows.jsonl` makes such rows" if known else ""
        raise ConfigError(f"{path}, record {number}: {error}{made}") from None


def not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> InputError:
    """The error for a line in another encoding, with the likeliest."""
    # Nearly all Chinese characters are two high bytes; letters with an accent stand alone among others.
    likely = "gb18030" if _HIGH_PAIR.search(error.object) else "cp1252"
    return InputError(
        f"{path}:{number}: byte {error.start + 1} is not UTF-8; convert the file, for example with"
        f" `iconv -f {likely} -t utf-8`"
    )
