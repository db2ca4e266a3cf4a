"""When calls started that the server did not refuse: the log in which the estimators count.

Starts within a quarter of a second are logged as one moment, so that a minute takes 240 entries at any pace.
"""

import math
from collections import deque

from dataflow.pools.tuning import TUNING


class StartLog:
    """Starts of calls, oldest first. All times are monotonic, in seconds.

    Attributes:
        complete_since: the time from which on the log has every start; infinite before the first one.
        has_dropped: whether starts of accepted calls were dropped since they were too old.
    """

    def __init__(self) -> None:
        self.complete_since = math.inf
        self.has_dropped = False
        self._moments: deque[list[float]] = deque()  # time, and calls started then that were not refused

    def add(self, now: float, keep: float) -> None:
        """Log the start of a call.

        Args:
            now: time of the start.
            keep: seconds for which starts are kept; older ones are dropped.
        """
        if not self._moments or now - self._moments[-1][0] >= TUNING.grain:
            self._drop(now - keep)
            self._moments.append([now, 0])
            self.complete_since = min(self.complete_since, now)
        self._moments[-1][1] += 1

    def take_back(self, started: float) -> None:
        """Count a call no longer, since the server refused it.

        Args:
            started: time at which that call started.
        """
        for moment in reversed(self._moments):
            if moment[0] <= started:
                moment[1] -= 1
                return

    def count(self, since: float, until: float = math.inf) -> float:
        """Count the calls that started at or after `since`, and before `until`."""
        return sum(calls for moment, calls in self._moments if since <= moment < until)

    def first(self, since: float) -> float | None:
        """Find when the first call started at or after `since`; None if no call did."""
        return next((moment for moment, calls in self._moments if calls and moment >= since), None)

    def _drop(self, before: float) -> None:
        while self._moments and self._moments[0][0] < before:
            moment, calls = self._moments.popleft()
            if calls:
                self.has_dropped, self.complete_since = True, moment + TUNING.grain
