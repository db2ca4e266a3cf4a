"""A batch file to which requests are still added. It has no name on disk, so a process that dies leaves no file."""

import hashlib
import tempfile
import uuid
from pathlib import Path
from typing import IO


class Draft:
    """The requests for one path that will go into one batch.

    Args:
        folder: on whose disk the file lies; the folder is made if it is missing.
        path: to which each request would go outside of a batch.

    Attributes:
        tag: that the batch will have, 32 hex digits.
        ids: of the requests so far, in the order of the file.
        size: of the file in bytes.
        file: holds one line for each request.
    """

    def __init__(self, folder: Path, path: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.tag = uuid.uuid4().hex
        self.path = path
        self.ids: list[str] = []
        self.size = 0
        # Without a buffer: a line that the disk does not take would stay in one, and reach the file with a later line.
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - `close` closes it
        self._digest = hashlib.sha256()

    def add(self, request_id: str, line: bytes) -> None:
        """Append a request.

        Args:
            request_id: of the request.
            line: that asks for it, with its line break.

        Raises:
            OSError: the disk did not take the line; the draft is as before.
        """
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError:
            self.file.truncate(self.size)
            self.file.seek(self.size)
            raise
        self.ids.append(request_id)
        self.size += len(line)
        self._digest.update(line)

    @property
    def sha256(self) -> str:
        """The digest of the file's contents, in hex."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Delete the file."""
        self.file.close()
