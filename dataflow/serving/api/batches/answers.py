"""Keeps the answers of a batch on disk with an index, so that memory holds only the answers in work."""

import os
import re
import tempfile
from pathlib import Path
from typing import IO

from dataflow.serving.api.batches.contract import AnswerLine, BatchApi

# Our ids have 32 hex digits. A string in JSON holds no unescaped quote, so no words of a model can match this.
_ID = re.compile(rb'"(?:custom_id|key)"\s{0,9}:\s{0,9}"([0-9a-f]{32})"')
_SEARCHED = 4096  # bytes at each end of a line, where the id stands beside the answer's megabytes


class Answers:
    """The answers of one batch, from all its files, in a temporary file without a name.

    Args:
        folder: on whose disk the file lies.
        api: reads the lines.

    Attributes:
        file: to which the downloads are appended.
    """

    def __init__(self, folder: Path, api: BatchApi) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it
        self._api = api
        self._places: dict[str, tuple[int, int]] = {}  # request → offset and length of its line, in bytes

    def index(self) -> None:
        """Find where each request's line is; of two lines for one request the first counts."""
        self.file.flush()
        self.file.seek(0)
        offset = 0
        while line := self.file.readline():
            if request_id := self._id_of(line):
                self._places.setdefault(request_id, (offset, len(line)))
            offset += len(line)

    def _id_of(self, line: bytes) -> str:
        """The id of the request that a line answers, by a search: to parse a batch's pictures would take seconds."""
        found = _ID.search(line[:_SEARCHED]) or _ID.search(line[-_SEARCHED:])
        if found:
            return found[1].decode()
        read = self._api.decode_line(line)
        return "" if read is None else read.request_id

    def line(self, request_id: str, secret: bytes) -> AnswerLine | None:
        """The line that answers a request; None: there is none that can be read. Runs in any thread.

        Args:
            request_id: of the request.
            secret: the key, which becomes `[key]`; empty: nothing does.
        """
        place = self._places.get(request_id)
        if place is None:
            return None
        raw = os.pread(self.file.fileno(), place[1], place[0])
        return self._api.decode_line(raw.replace(secret, b"[key]") if secret else raw)

    def close(self) -> None:
        """Delete the file."""
        self.file.close()
