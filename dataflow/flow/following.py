"""The rows of a step that still runs, for the step that follows it: the file in the making is the queue between them.

Only whole lines are read. The writing step wakes the other one when there are more, so nobody looks in vain.
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
    """What one run of a step has written so far.

    Its own thread opens it, tells of rows and completes it; the thread of the step behind follows and reads.

    Args:
        path: of the step's file, which has this name once it is complete.

    Attributes:
        expected: rows that there will be in the end, as far as is known.
        is_complete: the file has its name, and there are no more rows.
        is_followed: a step behind reads along.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.expected = 0
        self.is_complete = self.is_followed = False
        self._file = -1
        self._wake: Callable[[], None] = lambda: None
        self._is_told = False

    def open(self, writer: StepWriter) -> None:
        """Begin with a file that was begun anew: what an earlier run left is gone from it.

        A rename at its end moves it, and takes nothing away from who has it open.
        """
        self._file = writer.reader()

    def follow(self, wake: Callable[[], None]) -> None:
        """Have this called where there is something new to read."""
        self._wake = wake

    def tell(self) -> None:
        """There are more rows in the file; one that was told and has not read yet is not told again."""
        if not self._is_told:
            self._is_told = True
            self._wake()

    def complete(self, rows: int) -> None:
        """The file has its name, and holds so many rows."""
        self.expected, self.is_complete = rows, True
        self.tell()

    def read(self, offset: int) -> bytes:
        """What lies in the file from here on, a megabyte at most."""
        self._is_told = False  # before the look: what is written after it is told
        return b"" if self._file < 0 else os.pread(self._file, _BLOCK, offset)

    def close(self) -> None:
        """Nobody follows any more."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


@dataclass(slots=True, eq=False)
class Beside:
    """What a run of a step has to do with those that run at the same time.

    Attributes:
        rows: that it has written so far.
        follows: those of the step before, if that still runs.
        finishes: an earlier step asks the same worker, so finishing a row here goes before beginning another there.
        opened: called when its workers are prepared and before they are asked; returns when they may be.
        cost_behind: what later steps have spent so far, in billionths.
    """

    rows: RowsSoFar
    follows: RowsSoFar | None = None
    finishes: bool = False
    opened: Callable[[], None] = lambda: None
    cost_behind: Callable[[], int] = lambda: 0


class FollowingCursor:
    """Reads the rows of a step that still runs, as a `RowCursor` reads a file.

    Args:
        rows: what that step has written so far.

    Attributes:
        position: index from 0 of the row that `take` gives next.
        grows: more rows may come.
    """

    def __init__(self, rows: RowsSoFar) -> None:
        self.position, self.grows = 0, True
        self._rows = rows
        self._offset = 0
        self._lines: deque[bytes] = deque()
        self._rest = b""  # the beginning of a line

    def skip_to(self, position: int) -> None:
        """Pass over rows up to this index."""
        while self.position < position and self._line() is not None:
            self.position += 1

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows that are there, at most `count`, each with its line number from 1."""
        rows: list[tuple[int, Row]] = []
        while len(rows) < count and (line := self._line()) is not None:
            self.position += 1
            rows.append((self.position, load_row(line, self._rows.path, self.position)))
        return rows

    def _line(self) -> bytes | None:
        while not self._lines:
            is_last = self._rows.is_complete  # before the look
            block = self._rows.read(self._offset)
            if not block:
                self.grows = not is_last
                return None
            self._offset += len(block)
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._lines.extend(whole)
        return self._lines.popleft()
