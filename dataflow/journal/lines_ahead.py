"""Reads lines of the journal by their offsets, and the bytes behind a line ahead of time.

Rows are replayed in order, and their answers stand in the journal nearly in that order, so the next line that is asked
for is mostly in the bytes that were read last.
"""

import os

_LENGTH = 1 << 14  # bytes of one read, unless a line is longer


class LinesAhead:
    """Lines of one file; any thread may read.

    Args:
        file: a descriptor that stays open as long as this object is used.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._ahead: tuple[int, bytes] = (0, b"")  # offset, and the bytes from there on

    def line(self, offset: int) -> bytes:
        """The line that starts at an offset, with its newline; empty where the file has no whole line there."""
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
        self._ahead = (start, ahead)  # one assignment, so another thread sees the old pair or the new one
        return ahead[offset - start : end]
