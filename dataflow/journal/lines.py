"""The form of one journal line: a JSON object whose last field is the crc32 of the bytes before it.

A `got` line has its pictures as [path, sha256, bytes, width, height]. The path is relative to the cache directory if
it lies below that, so that a moved cache stays whole. `got` and `fail` lines name the `model` that replied, and `got`
lines the `provider` that a router chose, where the reply names them.

Lines of workers that charge have amounts in the currency of the journal, exact to a billionth: a `start` line the
`most` that its attempt may cost, `got` and `fail` lines the `cost`, null where the reply tells none, and `estimated`
where it is the price of usual pictures.

A `fail` line that says `goes_on` ends no attempt: the provider still works on it, and the `start` line of the attempt
that takes its answer says `resumes`. A `fail` line that says `merged` was copied from a shard's journal.
"""

import os
import platform
import time
import uuid
import zlib
from collections.abc import Mapping
from itertools import accumulate, takewhile
from pathlib import Path

import orjson

import dataflow
from dataflow.core.records import JSON, NANO, Answer, Charge, Picture, Row
from dataflow.errors import KINDS, ConfigError, Failure, JournalDamaged, Kind

VERSION = 1
HEADER_LENGTH = 4096  # bytes that hold the first line, which is far shorter
_CRC = b',"crc":"'
_TAIL = len(_CRC) + 8 + 3  # the crc field, its closing quote and brace, the newline
_MOST_AMOUNT = 1e9  # units of the currency for one attempt: a larger amount in a line is none
_KINDS: Mapping[str, Kind] = {kind: kind for kind in KINDS}


def encode_line(entry: Mapping[str, JSON]) -> bytes:
    """An entry as a line of the journal, with its crc32 and the newline."""
    body = orjson.dumps(dict(entry))[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def is_whole(line: bytes) -> bool:
    """Whether a line is complete and its crc32 fits its bytes."""
    return line[-_TAIL:-3] == _CRC + b"%08x" % zlib.crc32(line[:-_TAIL]) and line[-3:] == b'"}\n'


def decode_line(line: bytes) -> Row | None:
    """The entry of a line without its crc32; None if the line is torn or damaged."""
    if not is_whole(line):
        return None
    entry = orjson.loads(line[:-_TAIL] + b"}")
    return entry if isinstance(entry, dict) else None


def may_be_torn(line: bytes) -> bool:
    """Whether a broken last line may be a write that was cut short; two lines that run together are damage."""
    return line.count(_CRC) < 2


def line_number(path: Path, offset: int) -> int:
    """The number, from 1, of the line that starts at this byte."""
    with path.open("rb") as file:
        ends = accumulate(len(line) for line in file)
        return 1 + sum(1 for _ in takewhile(lambda end: end <= offset, ends))


def header_name(line: bytes, path: Path) -> str:
    """The name of a journal.

    Args:
        line: the first line of the file, with its newline.
        path: of the journal, for the error.

    Raises:
        JournalDamaged: the line is not the first line of a journal.
        ConfigError: a newer version wrote the journal.
    """
    header = decode_line(line)
    if header is None or header.get("t") != "journal":
        raise JournalDamaged(f"{path}:1: not a journal, or damaged")
    if int(str(header["v"])) > VERSION:
        raise ConfigError(
            f"{path} was written by a newer dataflow-mm (journal version {header['v']}, this one reads up to"
            f" {VERSION}): upgrade, or choose another cache_path"
        )
    return str(header["name"])


def new_header() -> bytes:
    """The first line of a new journal, with a random name."""
    return encode_line({"t": "journal", "v": VERSION, "name": uuid.uuid4().hex})


def run_entry() -> dict[str, JSON]:
    """The `run` entry: the process and the versions that write the lines behind it, and the time."""
    versions = {"dataflow": dataflow.__version__, "python": platform.python_version()}
    return {"t": "run", "at": int(time.time()), **versions, "pid": os.getpid()}


def encode_answer(
    request_id: str, attempt: int, answer: Answer, cache_path: Path, charge: Charge | None = None
) -> dict[str, JSON]:
    """The `got` entry of an answer.

    Args:
        request_id: the id of the request, 32 hex digits.
        attempt: attempts before this one.
        answer: a good one, with pictures by absolute paths.
        cache_path: pictures below it are named relative to it.
        charge: what the attempt cost; None where nobody charges.
    """
    pictures: list[JSON] = [
        [_relative(p.path, cache_path), p.sha256, p.size, p.width, p.height] for p in answer.pictures
    ]
    entry: dict[str, JSON] = {"t": "got", "id": request_id, "n": attempt, "pics": pictures}
    if answer.text:
        entry["text"] = answer.text
    if answer.usage:
        entry["usage"] = dict(answer.usage)
    if answer.model:
        entry["model"] = answer.model
    if answer.provider:
        entry["provider"] = answer.provider
    if charge is not None:
        entry["cost"] = _amount(charge)
        if charge.estimated:
            entry["estimated"] = True
    return entry


def encode_failure(
    request_id: str, attempt: int, failure: Failure, *, again: bool, charge: Charge | None = None
) -> dict[str, JSON]:
    """The `fail` entry of an attempt.

    Args:
        request_id: the id of the request, 32 hex digits.
        attempt: attempts before this one.
        failure: why it failed.
        again: whether the pool makes another attempt.
        charge: what the attempt cost; None where nobody charges.
    """
    entry: dict[str, JSON] = {"t": "fail", "id": request_id, "n": attempt}
    entry |= {"class": failure.kind, "reason": failure.reason}
    if failure.said:
        entry["said"] = failure.said
    if failure.maybe_paid:
        entry["maybe_paid"] = True
    if failure.usage:
        entry["usage"] = dict(failure.usage)
    if failure.model:
        entry["model"] = failure.model
    if charge is not None:
        entry["cost"] = _amount(charge)
    if failure.goes_on:
        entry |= {"goes_on": True, "cost": None}
    if again:
        entry["again"] = True
    return entry


def _amount(charge: Charge) -> float | None:
    return None if charge.cost is None else charge.cost / NANO


def amount_of(entry: Mapping[str, JSON], name: str) -> int | None:
    """The amount in a field of an entry, in billionths; 0 without the field, None where the amount is unknown.

    An amount above a billion units counts as unknown: earlier versions wrote down any cost that a reply stated.
    """
    amount = entry.get(name, 0)
    if amount is None or not float(str(amount)) <= _MOST_AMOUNT:
        return None
    return round(float(str(amount)) * NANO) if amount else 0


def decode_answer(entry: Row, cache_path: Path) -> Answer:
    """The answer of a `got` entry; of a `fail` entry an answer whose `error` is the failure.

    Args:
        entry: as `decode_line` returned it.
        cache_path: the folder that relative paths of pictures are below.

    Raises:
        KeyError, TypeError, ValueError: the entry has another form.
    """
    usage = entry.get("usage", {})
    if entry["t"] == "fail":
        return Answer(
            error=Failure(
                _KINDS.get(str(entry["class"]), "failed"),
                str(entry["reason"]),
                said=str(entry.get("said", "")),
                maybe_paid=bool(entry.get("maybe_paid")),
                usage=usage,
                model=str(entry.get("model", "")),
                attempts=int(entry["n"]) + 1,
            ),
            cost=amount_of(entry, "cost"),
        )
    pictures = tuple(
        # os.path.join takes a tenth of pathlib's time, and this runs once per answer
        Picture(os.path.join(cache_path, path), sha256, size, width, height)  # noqa: PTH118
        for path, sha256, size, width, height in entry["pics"]
    )
    text, model, provider = (str(entry.get(name, "")) for name in ("text", "model", "provider"))
    cost = amount_of(entry, "cost")
    return Answer(pictures=pictures, text=text, usage=usage, cost=cost, model=model, provider=provider)


def _relative(path: str, cache_path: Path) -> str:
    root = f"{cache_path}{os.sep}"
    return path[len(root) :] if path.startswith(root) else path
