"""Writes a row as one line of standard JSON and parses it back, without losing a value.

orjson is fast. The standard library takes over for what orjson refuses or does not hold exactly: integers of more than
64 bits, the NaN that `json.dumps` writes, and half a character (a text that was cut in the middle of an emoji, a file
name that is not UTF-8). A row is written with null for NaN and with an escape for half a character.
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
_MISSING = ("NAType", "NaTType")  # types of pandas' missing values


def dump_row(row: Row) -> bytes:
    """One row as a json line, without the newline.

    Raises:
        RowError: a value has no form in JSON; the message names the column, the type of the value and the mend.
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
    """One value of a row as JSON.

    Raises:
        TypeError: the value has no form in JSON.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return _encode(_exact(value))


def _encode(value: object) -> bytes:
    # Half a character can only stand within a string, where Python's escape for it is JSON's escape too.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def _field(column: object, value: object) -> tuple[str, object]:
    """A column's name and value in the types of JSON.

    Raises:
        RowError: one of them has no form in JSON.
    """
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
    """The value in the types of JSON, as orjson would write it, but with every digit; NaN becomes None."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(str(value))  # a ValueError for more than 4,300 digits, as json.dumps would raise
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
    """A value of another library or type in types that orjson writes.

    Raises:
        TypeError: it has no such form.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):  # sorted: a later step that asks with it must ask the same in each run
        return sorted(value, key=_order)
    if isinstance(value, tuple):
        return list(value)
    if type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "tolist"):  # a numpy array that orjson does not take, or a value of pandas
        return value.tolist()
    if hasattr(value, "isoformat"):  # a time of pandas; orjson writes those of the standard library
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__}, which JSON has no form for: {value!r:.80}")


def _order(item: object) -> tuple[str, Any]:
    return type(item).__name__, item if isinstance(item, int | float) else repr(item)


def parse(text: bytes) -> object:
    """Parse a JSON text with all digits of its numbers; NaN and half a character are accepted.

    Raises:
        UnicodeDecodeError: the text is not UTF-8.
        ValueError: the text is no JSON, or nested too deeply.
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
    """Parse one line of a jsonl file.

    Args:
        line: its bytes.
        path: of the file, for the error.
        number: of the line, from 1, for the error.

    Raises:
        InputError: the line is not UTF-8, not JSON, or not an object.
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
    """The row as the next step will read it from a jsonl file.

    Args:
        row: as it was read.
        path: of the file that it was read from, for the error.
        number: of the record there, from 1, for the error.

    Raises:
        ConfigError: a value has no form in JSON.
    """
    try:
        return load_row(dump_row(row), path, number)
    except RowError as error:
        may_hold_pictures = path.suffix.lower() == ".parquet"
        mend = f"; of pictures as bytes `dataflowmm import {path} --out rows.jsonl` makes such rows"
        raise ConfigError(f"{path}, record {number}: {error}{mend if may_hold_pictures else ''}") from None


def not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> InputError:
    """The error for a line that is not UTF-8, which names its likeliest encoding."""
    # In gb18030 nearly all Chinese characters are two high bytes; in cp1252 a letter with an accent is a single one.
    likely = "gb18030" if _HIGH_PAIR.search(error.object) else "cp1252"
    return InputError(
        f"{path}:{number}: byte {error.start + 1} is not UTF-8; convert the file, for example with"
        f" `iconv -f {likely} -t utf-8`"
    )
