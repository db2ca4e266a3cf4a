"""How many calls are in flight: twice as many while all goes well, then just as many as the server accepts.

A call's level is the number of calls in flight with it, itself included. A server with a limit in flight refuses calls
above that level and accepts calls below it. So a level is too high once more than a third of the calls at that level
or above are refused, and the calls that are in flight after a refusal are the limit. Refusals by chance come at every
level alike, and change nothing.

At the limit, one call more is tried now and then. A limit that still holds costs one refusal; a limit that rose is met
by doubling again. Source: slow start and probing as in TCP (RFC 5681); the figures are ours, from
`benchmarks/api_limits.py`.
"""

import math
from collections import deque

from dataflow.pools.tuning import TUNING

_FIRST_PROBE = 4.0  # seconds from a cut to the first probe; each probe that fails doubles the time to the next
_PROVEN = 5  # calls in a row that are accepted above the limit, which show that the limit is gone
_TOO_MANY = 0.34  # share of the calls at a level or above that are refused; chance refuses a smaller share
_ENOUGH = 4  # refused calls at a level or above; fewer are chance
_SAMPLE = 256  # calls that are kept to compute the two above
_SAMPLED_FOR = 5.0  # seconds for which a call is kept; four times the latency, if that is longer
_LATELY = 3.0  # seconds that an accepted level counts as recent; 2.5 times the latency, if that is longer
_NEAR = 0.8  # share of the allowed calls that must be in flight for an accepted one to show that more would fit
_WEIGHT = 0.2  # weight of the newest call in the moving average of the latency
_LONGEST_HOLD = 1.0  # seconds at most for which the place of a refused call stays empty
_ONE_BURST = 1.0  # seconds in which the calls in flight are refused for one and the same reason


class Width:
    """Finds how many calls may be in flight. All times are monotonic, in seconds.

    Args:
        ceiling: most calls in flight, whatever the server accepts.
        start: calls in flight to begin with.

    Attributes:
        allowed: calls that may be in flight, places that stay empty for a moment included.
        found: whether `allowed` is a limit that the server showed.
        latency: seconds that a call takes, as a moving average.
    """

    def __init__(self, ceiling: int, start: int) -> None:
        self.ceiling = ceiling
        self.allowed = min(start, ceiling)
        self.found = False
        self.latency = 1.0
        self._sample: deque[tuple[float, int, bool]] = deque(maxlen=_SAMPLE)  # end, level, whether it was refused
        self._highest: deque[tuple[float, int]] = deque()  # start and level of accepted calls; levels fall
        self._held_until: deque[float] = deque()  # for each place that stays empty, the time until which it does
        self._good = 0  # calls accepted near `allowed` since that last changed, less two for each that failed
        self._above = 0  # calls accepted in a row above `allowed`
        self._cut_at = self._probe_at = -math.inf
        self._probe_in = _FIRST_PROBE

    def follow(self, ceiling: int) -> None:
        """Take over a width that the worker has changed itself; a limit that the server showed stays.

        Args:
            ceiling: most calls in flight from now on.
        """
        if ceiling == self.ceiling:
            return
        self.allowed = min(self.allowed, ceiling) if self.found or ceiling < self.ceiling else ceiling
        self.ceiling = ceiling

    def room(self, now: float) -> int:
        """Count the calls that may be in flight now: one more than allowed while a probe is due, one at least."""
        while self._held_until and self._held_until[0] <= now:
            self._held_until.popleft()
        probe = self.found and self.allowed < self.ceiling and now >= self._probe_at and not self._held_until
        return max(1, self.allowed + probe - len(self._held_until))

    def highest_lately(self, now: float) -> int:
        """Give the highest level of the calls that the server accepted lately; 0 if it accepted none."""
        while self._highest and self._highest[0][0] < now - max(_LATELY, 2.5 * self.latency):
            self._highest.popleft()
        return self._highest[0][1] if self._highest else 0

    def answered(self, level: int, started: float, now: float) -> None:
        """Learn from a call that the server accepted.

        Args:
            level: of the call.
            started: time at which the call started.
            now: time of the answer.
        """
        self.latency += _WEIGHT * (now - started - self.latency)
        self._sample.append((now, level, False))
        # An older call of the same level or a lower one is never the highest again, so the levels that are kept fall.
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

    def failed(self) -> None:
        """Note that the server failed to answer: the width does not grow while a third of the answers or more fail."""
        self._good = max(0, self._good - 2)

    def refused(self, level: int, now: float, in_flight: int) -> None:
        """Learn from a call that the server refused while the width held other calls back.

        Args:
            level: of the call.
            now: time of the refusal.
            in_flight: calls that are still in flight.
        """
        if self.found and level > self.allowed:  # the call was a probe, and shows that the limit still holds
            self._above = 0
            self._probe_in = min(TUNING.probe_every, 2 * self._probe_in)
            self._probe_at = now + self._probe_in
            return
        self._sample.append((now, level, True))
        since = now - max(_SAMPLED_FOR, 4 * self.latency)
        alike = [refused for ended, sampled, refused in self._sample if sampled >= level and ended >= since]
        if sum(alike) >= _ENOUGH and sum(alike) > _TOO_MANY * len(alike):
            self._cut(max(1, min(self.allowed, in_flight)), now)
        else:
            self.hold(now)

    def cut(self, keep: float, now: float) -> None:
        """Cut the width once for all the calls of one burst that the server refuses with the same words.

        Args:
            keep: share of the calls in flight that may stay.
            now: time of the refusal.
        """
        if now - self._cut_at >= _ONE_BURST:
            self._cut_at = now
            self._cut(max(1, int(self.allowed * keep)), now)

    def hold(self, now: float) -> None:
        """Leave a refused call's place empty for as long as a call takes, or one refusal would follow the other."""
        self._held_until.append(now + min(_LONGEST_HOLD, self.latency))

    def restore(self, allowed: int) -> None:
        """Undo cuts, since the refusals behind them had another reason than the width.

        Args:
            allowed: calls that may be in flight again.
        """
        self.allowed, self.found = min(allowed, self.ceiling), False
        self._sample.clear()

    def _cut(self, allowed: int, now: float) -> None:
        self.allowed, self.found = allowed, True
        self._good = self._above = 0
        self._probe_in = _FIRST_PROBE
        self._probe_at = now + self._probe_in
        self._sample.clear()
