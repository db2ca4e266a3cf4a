"""A file of requests in the making. It has no name on disk: a process that dies leaves nothing behind."""

import hashlib
import tempfile
import uuid
from pathlib import Path
from typing import IO


class Draft:
    """Requests for one path that go into one file.

    Args:
        folder: on whose disk the file lies; it is made if need be.
        path: where each request alone would go.

    Attributes:
        tag: of the batch to be.
        ids: of the requests so far, in order.
        size: of the file in bytes.
    """

    def __init__(self, folder: Path, path: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.tag = uuid.uuid4().hex
        self.path = path
        self.ids: list[str] = []
        self.size = 0
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it
        self._digest = hashlib.sha256()

    def add(self, request_id: str, line: bytes) -> None:
        """Append a request's line.

        Raises:
            OSError: it could not be stored; the draft is as before.
        """
        try:
            self.file.write(line)
            self.file.flush()
        except OSError:
            self.file.truncate(self.size)
            self.file.seek(self.size)
            raise
        self.ids.append(request_id)
        self.size += len(line)
        self._digest.update(line)

    @property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Give the disk its room back."""
        self.file.close()
