"""Lines of a file by where they start; rows in order read the journal nearly in order, so it reads ahead."""

import os

_LENGTH = 1 << 14


class LinesAhead:
    """Reads from any thread.

    Args:
        file: a descriptor that stays open.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._ahead: tuple[int, bytes] = (0, b"")

    def at(self, offset: int) -> bytes:
        """The line that starts here, with its newline if it has one."""
        start, ahead = self._ahead
        if not start <= offset < start + len(ahead):
            start, ahead = offset, b""
        end = ahead.find(b"\n", offset - start) + 1
        length = _LENGTH
        while not end:
            start, ahead = offset, os.pread(self._file, length, offset)
            end = ahead.find(b"\n") + 1
            if len(ahead) < length:
                break
            length *= 8
        self._ahead = (start, ahead)  # one assignment: another thread sees the old pair or the new
        return ahead[offset - start : end]
