"""A circuit breaker for one address: after 20 failures in a row one call goes out every 30 s, until one is answered.

An outage of an hour then costs 120 calls and no row, instead of all retries of every row. Some models fail on some
inputs, every time. So a row that fails while others are answered does not count, or the last few rows of a run would
look like an outage. Source: the pattern is of Nygard, "Release It!"; the figures are those that API gateways use.
"""

import time
from collections.abc import Callable

FAILURES = 20  # in a row, which open the breaker
ROWS = 10  # at least, to which those failures must belong


class Breaker:
    """Counts the failures of an address, and opens when the address is down. Calls start freely while it is closed.

    Args:
        probe: seconds between two calls while the breaker is open.
        dead: seconds without an answer after which the address is given up.
        clock: gives monotonic time, in seconds.

    Attributes:
        open: whether the address is down; the breaker is closed at first.
    """

    def __init__(self, probe: float, dead: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.open = False
        self._probe = probe
        self._dead = dead
        self._clock = clock
        self._failures = 0
        self._failed_ids: set[str] = set()  # ids of the requests that failed since the last answer
        self._ignored_ids: set[str] = set()  # ids of requests that failed while others were answered
        self._since = 0.0  # when the first of those failures happened
        self._probe_at = 0.0

    @property
    def wait(self) -> float:
        """Seconds until another call may start; the caller sees to it that only one is in flight while it is open."""
        return max(0.0, self._probe_at - self._clock()) if self.open else 0.0

    @property
    def dead(self) -> bool:
        """Whether the address has been down for so long that waiting makes no sense."""
        return self.open and self._clock() - self._since >= self._dead

    def probing(self) -> None:
        """Note that a call starts."""
        if self.open:
            self._probe_at = self._clock() + self._probe

    def failed(self, request_id: str) -> bool:
        """Count a call whose failure may be the address's fault, and say whether that opens the breaker.

        Args:
            request_id: of the request that failed.
        """
        if request_id in self._ignored_ids:
            return False
        if not self._failures:
            self._since = self._clock()
        self._failures += 1
        self._failed_ids.add(request_id)
        if self.open or self._failures < FAILURES or len(self._failed_ids) < ROWS:
            return False
        self.open = True
        self._probe_at = self._clock() + self._probe
        return True

    def answered(self, request_id: str) -> bool:
        """Note that the address answered a call, well or not, and say whether that closes the breaker.

        Args:
            request_id: of the request that was answered.
        """
        closed, self.open = self.open, False
        if self._failures:
            if not closed:
                self._ignored_ids |= self._failed_ids
            self._failures = 0
            self._failed_ids.clear()
        self._ignored_ids.discard(request_id)
        return closed

    def given_up(self, request_id: str) -> None:
        """Forget a request that is not asked again."""
        self._ignored_ids.discard(request_id)
