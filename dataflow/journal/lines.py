"""One line of the journal: json that ends in the crc32 of what stands before it.

`got` carries the pictures as [path, sha256, bytes, width, height], the path relative to the cache
directory when it lies below it, so that a moved cache stays whole. Where somebody charges, `start` says what
the attempt may cost at most, `got` and `fail` what it cost, or null where the reply named no cost, with `estimated`
where it is the price of usual pictures; amounts in the journal's currency, exact to a billionth. Lines without them
are those of workers that cost nothing. A `fail` line that says `goes_on` ends no attempt: its answer is still to come
from the provider, and the `start` line of whoever takes it says `resumes`. `got` and `fail` name the `model` that
replied, and `got` a router's `provider`, where the reply does. A `fail` line that says `merged` was a shard's.
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
HEADER_LENGTH = 4096  # the first line is far shorter
_CRC = b',"crc":"'
_TAIL = len(_CRC) + 8 + 3  # the crc field, its closing quote and brace, the newline
_MOST_AMOUNT = 1e9  # of the currency, for one attempt
_KINDS: Mapping[str, Kind] = {kind: kind for kind in KINDS}


def encode_line(entry: Mapping[str, JSON]) -> bytes:
    """An entry as a json line that ends in the crc32 of what stands before it."""
    body = orjson.dumps(dict(entry))[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def is_whole(line: bytes) -> bool:
    """Whether a line is all there and undamaged."""
    return line[-_TAIL:-3] == _CRC + b"%08x" % zlib.crc32(line[:-_TAIL]) and line[-3:] == b'"}\n'


def decode_line(line: bytes) -> Row | None:
    """The entry of a whole, undamaged line; else None."""
    if not is_whole(line):
        return None
    entry = orjson.loads(line[:-_TAIL] + b"}")
    return entry if isinstance(entry, dict) else None


def may_be_torn(line: bytes) -> bool:
    """Whether a broken last line can be a write cut short; two lines run together are damage."""
    return line.count(_CRC) < 2


def line_number(path: Path, offset: int) -> int:
    """The number, from 1, of the line that starts at this byte."""
    with path.open("rb") as file:
        ends = accumulate(len(line) for line in file)
        return 1 + sum(1 for _ in takewhile(lambda end: end <= offset, ends))


def header_name(line: bytes, path: Path) -> str:
    """The journal's name, from its whole first line.

    Raises:
        JournalDamaged: it is not the first line of a journal.
        ConfigError: a newer version wrote it.
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
    """The first line of a journal of a name that no other has."""
    return encode_line({"t": "journal", "v": VERSION, "name": uuid.uuid4().hex})


def run_entry() -> dict[str, JSON]:
    """The `run` entry: which process, of which versions, wrote what follows."""
    versions = {"dataflow": dataflow.__version__, "python": platform.python_version()}
    return {"t": "run", "at": int(time.time()), **versions, "pid": os.getpid()}


def encode_answer(
    request_id: str, attempt: int, answer: Answer, cache_path: Path, charge: Charge | None = None
) -> dict[str, JSON]:
    """The `got` entry of an answer."""
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
    """The `fail` entry of an attempt; `again` when another one follows at once."""
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
    """An amount of an entry in billionths: 0 where there is none, None where it says that nobody knows.

    An amount that no attempt costs is not known: earlier versions wrote down whatever a reply stated.
    """
    amount = entry.get(name, 0)
    if amount is None or not float(str(amount)) <= _MOST_AMOUNT:
        return None
    return round(float(str(amount)) * NANO) if amount else 0


def decode_answer(entry: Row, cache_path: Path) -> Answer:
    """The answer of a `got` entry, or of a `fail` entry with its failure as `error`."""
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
