"""How many calls are in flight: doubled while all goes well, then held just under what the server refuses.

A call's level is how many were in flight with it. A server with such a limit refuses above it and accepts
below, so a level counts as too high once more than a third of the calls at it or above are refused; the
calls left in flight are then the limit itself. Chance refuses at every level alike and moves nothing.
From there one call more is tried now and then: a limit that holds costs one refusal, a limit that rose is
met by doubling again. Source: slow start and probing as in TCP (RFC 5681); the figures are ours, from
`benchmarks/api_limits.py`.
"""

import math
from collections import deque

PROBE_EVERY = 35.0  # seconds, so that a limit that holds refuses less than two calls a minute
_FIRST_PROBE = 4.0  # seconds after a cut; doubled by every probe that fails
_PROVEN = 5  # calls above the limit in a row that show it is gone
_TOO_MANY = 0.34
_ENOUGH = 4  # refusals: fewer are chance
_SAMPLE = 256
_LATELY = 3.0  # seconds


class Width:
    """Calls in flight that are allowed.

    Args:
        ceiling: most calls, whatever the server takes.
        start: calls to begin with.

    Attributes:
        allowed: calls, before those that are on hold.
        found: whether that is a limit the server showed.
        latency: seconds a call takes, lately.
    """

    def __init__(self, ceiling: int, start: int) -> None:
        self.ceiling = ceiling
        self.allowed = min(start, ceiling)
        self.found = False
        self.latency = 1.0
        self._sample: deque[tuple[float, int, bool]] = deque(maxlen=_SAMPLE)  # when it ended, level, refused
        self._top: deque[tuple[float, int]] = deque()  # start and level, falling
        self._held: deque[float] = deque()
        self._clean = self._proven = 0
        self._cut_at = self._probe_at = -math.inf
        self._interval = _FIRST_PROBE

    def follow(self, ceiling: int) -> None:
        """The worker's own width has changed; what the server showed stays."""
        if ceiling == self.ceiling:
            return
        self.allowed = min(self.allowed, ceiling) if self.found or ceiling < self.ceiling else ceiling
        self.ceiling = ceiling

    def room(self, now: float) -> int:
        """Calls that may be in flight now, a probe included."""
        while self._held and self._held[0] <= now:
            self._held.popleft()
        probe = self.found and self.allowed < self.ceiling and now >= self._probe_at and not self._held
        return max(1, self.allowed + probe - len(self._held))

    def top(self, now: float) -> int:
        """The highest level that was accepted lately."""
        while self._top and self._top[0][0] < now - max(_LATELY, 2.5 * self.latency):
            self._top.popleft()
        return self._top[0][1] if self._top else 0

    def answered(self, level: int, started: float, now: float) -> None:
        """The server took this call."""
        self.latency += 0.2 * (now - started - self.latency)
        self._sample.append((now, level, False))
        while self._top and self._top[-1][1] <= level:
            self._top.pop()
        self._top.append((started, level))
        if level >= 0.8 * (self.allowed - len(self._held)):
            self._clean += 1
        if self.found and level > self.allowed:
            self._proven += 1
            self.found = self._proven < _PROVEN
            self._clean = 0
        if self._clean >= self.allowed and not self.found:
            self._clean = 0
            self.allowed = min(2 * self.allowed, self.ceiling)

    def troubled(self) -> None:
        """The server failed otherwise: no growth while more than a third of its answers do."""
        self._clean = max(0, self._clean - 2)

    def refused(self, level: int, now: float, in_flight: int) -> None:
        """The server refused a call while nothing but the width held calls back.

        Args:
            level: of the call.
            now: monotonic time.
            in_flight: calls left.
        """
        if self.found and level > self.allowed:
            self._proven = 0
            self._interval = min(PROBE_EVERY, 2 * self._interval)
            self._probe_at = now + self._interval
            return
        self._sample.append((now, level, True))
        since = now - max(5.0, 4 * self.latency)
        alike = [refused for at, each, refused in self._sample if each >= level and at >= since]
        if sum(alike) >= _ENOUGH and sum(alike) > _TOO_MANY * len(alike):
            self._cut(max(1, min(self.allowed, in_flight)), now)
        else:
            self.hold(now)

    def cut(self, keep: float, now: float) -> None:
        """The server says that only this share may run; those of one burst say it once."""
        if now - self._cut_at >= 1.0:
            self._cut_at = now
            self._cut(max(1, int(self.allowed * keep)), now)

    def hold(self, now: float) -> None:
        """Leave a refused call's place empty for as long as a call takes, or refusals would follow each other."""
        self._held.append(now + min(1.0, self.latency))

    def restore(self, allowed: int) -> None:
        """What was refused lately had other reasons."""
        self.allowed, self.found = min(allowed, self.ceiling), False
        self._sample.clear()

    def _cut(self, allowed: int, now: float) -> None:
        self.allowed, self.found = allowed, True
        self._clean = self._proven = 0
        self._interval = _FIRST_PROBE
        self._probe_at = now + self._interval
        self._sample.clear()
