"""A batch's answers on disk: where in the file each one is, so that memory holds only those in work."""

import os
import re
import tempfile
from pathlib import Path
from typing import IO

from dataflow.serving.api.batches.contract import BatchApi, Line

# The ids are ours: 32 hex digits. In a JSON text no string holds an unescaped quote, so this is no model's word.
_ID = re.compile(rb'"(?:custom_id|key)"\s{0,9}:\s{0,9}"([0-9a-f]{32})"')
_ENDS = 4096


class Answers:
    """The downloaded files of one batch, appended to one another.

    Args:
        folder: on whose disk they lie, without a name.
        api: reads their lines.
    """

    def __init__(self, folder: Path, api: BatchApi) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it
        self._api = api
        self._places: dict[str, tuple[int, int]] = {}

    def index(self) -> None:
        """Find the lines; of two for one request the first counts."""
        self.file.flush()
        self.file.seek(0)
        offset = 0
        while line := self.file.readline():
            if request_id := self._id_of(line):
                self._places.setdefault(request_id, (offset, len(line)))
            offset += len(line)

    def _id_of(self, line: bytes) -> str:
        """Whose line it is; parsing megabytes of pictures for that would take seconds in all."""
        found = _ID.search(line[:_ENDS]) or _ID.search(line[-_ENDS:])
        if found:
            return found[1].decode()
        read = self._api.decode_line(line)
        return "" if read is None else read.request_id

    def line(self, request_id: str, secret: bytes) -> Line | None:
        """The line of this request; None if there is none that can be read. Runs in any thread.

        Args:
            request_id: whose it is.
            secret: the key; a reply that repeats it is kept without.
        """
        place = self._places.get(request_id)
        if place is None:
            return None
        raw = os.pread(self.file.fileno(), place[1], place[0])
        return self._api.decode_line(raw.replace(secret, b"[key]") if secret else raw)

    def close(self) -> None:
        """Give the disk its room back."""
        self.file.close()
