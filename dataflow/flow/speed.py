"""The current speed of a run in rows a second: one number for the bar and for `dataflowmm status`."""

import time
from collections import deque
from dataclasses import dataclass

_WINDOW = 60.0  # seconds over which the rate is measured
_ENOUGH = 10  # rows that must lie within; else it is measured over a longer time
_MARK_SECONDS = 2.0  # between two marks
_MARKS = 900  # half an hour, so that rows which take minutes have a rate too


@dataclass(frozen=True, slots=True)
class _Mark:
    time: float  # on the monotonic clock, in seconds
    rows: int


class Speed:
    """The rate at which a number of rows grows.

    The number is that of rows that had to be asked, since rows that were answered before say nothing about the time
    that further rows take. The time before the first such row does not count once ten have followed: a model is loaded
    in it.
    """

    def __init__(self) -> None:
        self._marks = deque((_Mark(time.monotonic(), 0),), maxlen=_MARKS)
        self._rows = 0

    def mark(self, rows: int) -> None:
        """Note that so many rows are done now; if they are fewer than before, the measurement begins anew."""
        now = time.monotonic()
        if rows < self._rows:
            self._marks.clear()
        if not self._marks or now >= self._marks[-1].time + _MARK_SECONDS:
            self._marks.append(_Mark(now, rows))
        self._rows = rows

    def rate(self) -> float:
        """Rows a second over the last minute, or over the last ten rows if those took longer; 0: not known yet."""
        now, first = time.monotonic(), self._marks[0]
        for mark in tuple(self._marks):  # a copy, since another thread may call `mark` meanwhile
            has_too_few = mark.rows > self._rows - _ENOUGH
            if has_too_few or (mark.time > now - _WINDOW and first.rows):
                break
            first = mark
        seconds = now - first.time
        return (self._rows - first.rows) / seconds if seconds >= 1 else 0.0
