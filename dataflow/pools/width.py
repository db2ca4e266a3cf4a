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

from dataflow.pools.tuning import TUNING

_FIRST_PROBE = 4.0  # seconds after a cut; doubled by every probe that fails
_PROVEN = 5  # calls above the limit in a row that show it is gone
_TOO_MANY = 0.34  # share of the calls of a level or above; refused by chance are fewer
_ENOUGH = 4  # refusals: fewer are chance
_SAMPLE = 256  # calls that are kept for these shares
_SAMPLED_FOR = 5.0  # seconds that a call counts in them, and at least as long as four calls take
_LATELY = 3.0  # seconds, and at least as long as two calls and a half take
_NEAR = 0.8  # share of the allowed calls in flight from which on an answer speaks for more of them
_WEIGHT = 0.2  # of the newest call in the mean of the latency
_LONGEST_HOLD = 1.0  # seconds that a refused call's place stays empty, where calls take longer
_ONE_BURST = 1.0  # seconds in which a server says the same to all that are in flight


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
        self._highest: deque[tuple[float, int]] = deque()  # start and level of accepted calls; see `highest_lately`
        self._held_until: deque[float] = deque()  # one for each place that stays empty
        self._good = 0  # calls near `allowed` that were accepted since it last changed, less those that failed
        self._above = 0  # calls above `allowed` that were accepted in a row
        self._cut_at = self._probe_at = -math.inf
        self._probe_in = _FIRST_PROBE

    def follow(self, ceiling: int) -> None:
        """The worker's own width has changed; what the server showed stays."""
        if ceiling == self.ceiling:
            return
        self.allowed = min(self.allowed, ceiling) if self.found or ceiling < self.ceiling else ceiling
        self.ceiling = ceiling

    def room(self, now: float) -> int:
        """Calls that may be in flight now, a probe included."""
        while self._held_until and self._held_until[0] <= now:
            self._held_until.popleft()
        probe = self.found and self.allowed < self.ceiling and now >= self._probe_at and not self._held_until
        return max(1, self.allowed + probe - len(self._held_until))

    def highest_lately(self, now: float) -> int:
        """The highest level that was accepted lately."""
        while self._highest and self._highest[0][0] < now - max(_LATELY, 2.5 * self.latency):
            self._highest.popleft()
        return self._highest[0][1] if self._highest else 0

    def answered(self, level: int, started: float, now: float) -> None:
        """The server took this call."""
        self.latency += _WEIGHT * (now - started - self.latency)
        self._sample.append((now, level, False))
        # A level that a later call reaches too is never the highest again: those that are kept fall, the highest first.
        while self._highest and self._highest[-1][1] <= level:
            self._highest.pop()
        self._highest.append((started, level))
        if level >= _NEAR * (self.allowed - len(self._held_until)):
            self._good += 1
        if self.found and level > self.allowed:
            self._above += 1
            self.found = self._above < _PROVEN
            self._good = 0
        if self._good >= self.allowed and not self.found:
            self._good = 0
            self.allowed = min(2 * self.allowed, self.ceiling)

    def troubled(self) -> None:
        """The server failed otherwise: no growth while more than a third of its answers do."""
        self._good = max(0, self._good - 2)

    def refused(self, level: int, now: float, in_flight: int) -> None:
        """The server refused a call while nothing but the width held calls back.

        Args:
            level: of the call.
            now: monotonic time.
            in_flight: calls left.
        """
        if self.found and level > self.allowed:  # a probe: the limit holds
            self._above = 0
            self._probe_in = min(TUNING.probe_every, 2 * self._probe_in)
            self._probe_at = now + self._probe_in
            return
        self._sample.append((now, level, True))
        since = now - max(_SAMPLED_FOR, 4 * self.latency)
        alike = [refused for at, each, refused in self._sample if each >= level and at >= since]
        if sum(alike) >= _ENOUGH and sum(alike) > _TOO_MANY * len(alike):
            self._cut(max(1, min(self.allowed, in_flight)), now)
        else:
            self.hold(now)

    def cut(self, keep: float, now: float) -> None:
        """The server says that only this share may run; those of one burst say it once."""
        if now - self._cut_at >= _ONE_BURST:
            self._cut_at = now
            self._cut(max(1, int(self.allowed * keep)), now)

    def hold(self, now: float) -> None:
        """Leave a refused call's place empty for as long as a call takes, or refusals would follow each other."""
        self._held_until.append(now + min(_LONGEST_HOLD, self.latency))

    def restore(self, allowed: int) -> None:
        """What was refused lately had other reasons."""
        self.allowed, self.found = min(allowed, self.ceiling), False
        self._sample.clear()

    def _cut(self, allowed: int, now: float) -> None:
        self.allowed, self.found = allowed, True
        self._good = self._above = 0
        self._probe_in = _FIRST_PROBE
        self._probe_at = now + self._probe_in
        self._sample.clear()
