"""How fast rows are done of late: one number for the bar and for `dataflowmm status`."""

import time
from collections import deque
from dataclasses import dataclass

_WINDOW = 60.0  # seconds over which a rate is taken
_ENOUGH = 10  # rows that it must cover at least
_MARK_SECONDS = 2.0
_MARKS = 900  # half an hour: rows that take minutes each have a rate too


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float  # on the monotonic clock
    rows: int


class Speed:
    """The rate at which a number of rows grows.

    Only rows that had to be asked tell anything about those that must be asked, so their number is what is marked. The
    time before the first of them does not count, as soon as enough have followed it: a model was loaded in it.
    """

    def __init__(self) -> None:
        self._marks = deque((_Mark(time.monotonic(), 0),), maxlen=_MARKS)
        self._rows = 0

    def mark(self, rows: int) -> None:
        """So many rows are done now; fewer than before begin the count anew."""
        now = time.monotonic()
        if rows < self._rows:
            self._marks.clear()
        if not self._marks or now >= self._marks[-1].at + _MARK_SECONDS:
            self._marks.append(_Mark(now, rows))
        self._rows = rows

    def rate(self) -> float:
        """Rows a second over the last minute, or over the last ten rows; 0 where that is not known yet."""
        now, first = time.monotonic(), self._marks[0]
        for mark in tuple(self._marks):  # another thread may show the rate, and iterate over none that grows
            few = mark.rows > self._rows - _ENOUGH
            if few or (mark.at > now - _WINDOW and first.rows):
                break
            first = mark
        seconds = now - first.at
        return (self._rows - first.rows) / seconds if seconds >= 1 else 0.0
