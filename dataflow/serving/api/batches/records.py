"""Keeps a small file for each batch at the provider, written before the batch can exist.

A process may die after the provider has created a batch and before the reply arrives. So the intent is on disk first,
with a tag that the provider stores beside the batch: by the tag the next run finds out whether the batch exists. A
second file lists the requests of the batch whose answers are journalled. When all of them are, both files go.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.utils.files import sha256_hex, write_atomic

VERSION = 1
KEEP_SECONDS = 30 * 86_400.0  # after which providers no longer have the answers
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch, or the intent to create one.

    Args:
        tag: unique; we make it, and the provider stores it beside the batch.
        path: below the address, to which each request would go outside of a batch.
        ids: of the requests, in the order of the file; an empty one stands for a request whose answer is journalled.
        began: time of the intent, in seconds since the epoch.
        input_file: the provider's name of the uploaded file.
        input_sha256: of that file's contents, in hex.
        batch: the provider's name of the batch; empty: the batch is not known to exist.
    """

    tag: str
    path: str
    ids: tuple[str, ...]
    began: float
    input_file: str
    input_sha256: str
    batch: str = ""


class Records:
    """The records of the batches that one serving runs for one folder of pictures.

    Args:
        save_path: the folder of the pictures.
        owner: what tells this serving's batches from those of other servings with the same folder: address, format
            and model.

    Attributes:
        folder: that holds the records, below `save_path`.
    """

    def __init__(self, save_path: str, owner: Mapping[str, JSON]) -> None:
        named = orjson.dumps(dict(owner), option=orjson.OPT_SORT_KEYS)
        self.folder = Path(save_path).absolute() / ".batches" / sha256_hex(named)[:16]
        self._owner = dict(owner)

    def load(self) -> list[BatchRecord]:
        """The records of batches that may still run or have answers, the oldest first.

        Records of finished batches, and those older than `KEEP_SECONDS`, are deleted.

        Raises:
            ConfigError: a record cannot be read, or a newer version wrote it.
        """
        found = []
        for path in self.folder.glob("*.json"):
            record = _read(path)
            journalled = self._journalled(record.tag)
            if journalled.issuperset(filter(None, record.ids)) or time.time() - record.began > KEEP_SECONDS:
                self.remove(record.tag)
            else:
                found.append((record, journalled))
        found.sort(key=lambda pair: pair[0].began)
        return [_without(record, journalled) for record, journalled in found]

    def write(self, record: BatchRecord) -> None:
        """Write a record, in place of the one with the same tag."""
        entry = {"v": VERSION, "owner": self._owner, **asdict(record)}
        write_atomic(self._path(record.tag), orjson.dumps(entry, option=orjson.OPT_INDENT_2))

    def note_journalled(self, tag: str, request_id: str) -> None:
        """Note that the answer to this request is journalled, so that no later run takes it from this batch."""
        path = self.folder / f"{tag}.done"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(descriptor, f"{request_id}\n".encode())
        finally:
            os.close(descriptor)

    def remove(self, tag: str) -> None:
        """Delete the record of a batch whose answers all are journalled, or that never ran."""
        for path in (self._path(tag), self.folder / f"{tag}.done"):
            path.unlink(missing_ok=True)

    def _path(self, tag: str) -> Path:
        return self.folder / f"{tag}.json"

    def _journalled(self, tag: str) -> set[str]:
        path = self.folder / f"{tag}.done"
        lines = path.read_text(encoding="ascii").split("\n") if path.exists() else []
        return {line for line in lines if len(line) == _ID_LENGTH}


def _without(record: BatchRecord, journalled: set[str]) -> BatchRecord:
    """The record with an empty id for each journalled request: the provider's line numbers still fit the ids."""
    return replace(record, ids=tuple("" if request_id in journalled else request_id for request_id in record.ids))


def _read(path: Path) -> BatchRecord:
    try:
        entry = orjson.loads(path.read_bytes())
        if entry["v"] > VERSION:
            raise ConfigError(f"{path} was written by a newer version: update this one, or finish the run with that")
        return BatchRecord(
            entry["tag"],
            entry["path"],
            tuple(entry["ids"]),
            entry["began"],
            entry["input_file"],
            entry["input_sha256"],
            entry["batch"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is damaged ({error}): restore it, or delete it if its batch need not be picked up"
        ) from error
