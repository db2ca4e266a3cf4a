"""Whether an address is down: after 20 failures in a row one request at a time goes out, every 30 s.

An outage of an hour then costs 120 requests and no row, instead of every row its retries. Rows that fail
while others are answered are in trouble of their own (some models break on some inputs, every time): they
do not count, or the last few of a run would look like an outage. Source: the figures are those that
gateways' own breakers use; Nygard, "Release It!", for the pattern.
"""

import time
from collections.abc import Callable

FAILURES = 20
ROWS = 10  # that those failures must come from


class Breaker:
    """Counts what an address does; closed at first, which means that calls may start.

    Args:
        probe: seconds between two calls while it is open.
        dead: seconds after which an address that never answered is given up.
        clock: monotonic seconds.
    """

    def __init__(self, probe: float, dead: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.open = False
        self._probe = probe
        self._dead = dead
        self._clock = clock
        self._failures = 0
        self._rows: set[str] = set()
        self._own_trouble: set[str] = set()
        self._since = 0.0
        self._probe_at = 0.0

    @property
    def wait(self) -> float:
        """Seconds until another call may start; while open only one may be in flight."""
        return max(0.0, self._probe_at - self._clock()) if self.open else 0.0

    @property
    def dead(self) -> bool:
        """Whether it has been down for so long that waiting is no longer sensible."""
        return self.open and self._clock() - self._since >= self._dead

    def probing(self) -> None:
        """A call starts."""
        if self.open:
            self._probe_at = self._clock() + self._probe

    def failed(self, request_id: str) -> bool:
        """A call ended in a way that speaks of the address; whether that opened the breaker.

        Args:
            request_id: whose call it was.
        """
        if request_id in self._own_trouble:
            return False
        if not self._failures:
            self._since = self._clock()
        self._failures += 1
        self._rows.add(request_id)
        if self.open or self._failures < FAILURES or len(self._rows) < ROWS:
            return False
        self.open = True
        self._probe_at = self._clock() + self._probe
        return True

    def answered(self, request_id: str) -> bool:
        """The address answered a call, well or not; whether that closed the breaker."""
        closed, self.open = self.open, False
        if self._failures:
            if not closed:
                self._own_trouble |= self._rows
            self._failures = 0
            self._rows.clear()
        self._own_trouble.discard(request_id)
        return closed

    def given_up(self, request_id: str) -> None:
        """This request is not asked again."""
        self._own_trouble.discard(request_id)
