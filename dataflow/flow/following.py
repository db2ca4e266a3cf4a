"""The rows of a step that still runs, for the step that follows it: the file in the making is the queue between them.

The following step reads whole lines only. The writing step wakes it when there are more of them, so it never polls.
"""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import Row
from dataflow.utils.row_json import load_row
from dataflow.utils.step_writer import StepWriter

_BLOCK = 1 << 20  # bytes


class RowsSoFar:
    """The rows that one run of a step has written so far, in its file in the making.

    The writing step's thread calls `open`, `notify` and `complete`; that of the following step, `follow` and `read`.

    Args:
        path: the step's file, which has this name once it is complete.

    Attributes:
        expected: how many rows the file will have in the end, as far as is known.
        is_complete: the file has its final name, and no row follows.
        is_followed: a later step reads the file while it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.expected = 0
        self.is_complete = self.is_followed = False
        self._file = -1
        self._wake: Callable[[], None] = lambda: None
        self._is_notified = False

    def open(self, writer: StepWriter) -> None:
        """Open the file in the making for reading; the writer has begun it anew, so no row of an earlier run is in it.

        The open descriptor outlives the rename that gives the file its final name.
        """
        self._file = writer.reader()

    def follow(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, on the thread of the writing step, when there are new rows to read."""
        self._wake = wake

    def notify(self) -> None:
        """Wake the following step for new rows, unless it was woken and has not read since."""
        if not self._is_notified:
            self._is_notified = True
            self._wake()

    def complete(self, rows: int) -> None:
        """Note that the file has its final name and holds so many rows."""
        self.expected, self.is_complete = rows, True
        self.notify()

    def read(self, offset: int) -> bytes:
        """The bytes of the file from this offset on, a megabyte at most; empty where there are none yet."""
        self._is_notified = False  # before the read: rows that are written after it wake the reader again
        return b"" if self._file < 0 else os.pread(self._file, _BLOCK, offset)

    def close(self) -> None:
        """Close the file; no step follows any more."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


@dataclass(slots=True, eq=False)
class Links:
    """How a run of a step is linked to the steps that run at the same time; alone it has the defaults.

    Attributes:
        own_rows: the rows that the run has written so far.
        source_rows: the rows of the step before, if that step still runs; None: the run reads a finished file.
        finishes_first: an earlier step asks the same worker, so requests of this run go before those of new rows there.
        await_devices: called when the workers are prepared and before they are asked; returns once they may be asked.
        cost_of_later_steps: what later steps have spent so far, in billionths of the currency.
    """

    own_rows: RowsSoFar
    source_rows: RowsSoFar | None = None
    finishes_first: bool = False
    await_devices: Callable[[], None] = lambda: None
    cost_of_later_steps: Callable[[], int] = lambda: 0


class FollowingCursor:
    """Reads the rows of a step that still runs, as a `RowCursor` reads a file.

    Args:
        rows: what that step has written so far.

    Attributes:
        position: index, from 0, of the row that `take` returns next.
        grows: the step may still write rows.
    """

    def __init__(self, rows: RowsSoFar) -> None:
        self.position, self.grows = 0, True
        self._rows = rows
        self._offset = 0
        self._lines: deque[bytes] = deque()
        self._rest = b""  # the beginning of a line whose end is not written yet

    def skip_to(self, position: int) -> None:
        """Skip rows up to this index, without parsing them."""
        while self.position < position and self._line() is not None:
            self.position += 1

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows that are written already, at most `count`, each with its line number from 1."""
        rows: list[tuple[int, Row]] = []
        while len(rows) < count and (line := self._line()) is not None:
            self.position += 1
            rows.append((self.position, load_row(line, self._rows.path, self.position)))
        return rows

    def _line(self) -> bytes | None:
        """The next whole line without its newline; None while there is none."""
        while not self._lines:
            is_last = self._rows.is_complete  # asked before the read: a row may be written between the two
            block = self._rows.read(self._offset)
            if not block:
                self.grows = not is_last
                return None
            self._offset += len(block)
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._lines.extend(whole)
        return self._lines.popleft()
