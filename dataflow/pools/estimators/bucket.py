"""The pace at which tokens come into a server's token bucket.

A token bucket keeps unused calls up to a number. It is empty whenever it refuses a call, so the calls that it accepted
between two refusals are the tokens that came into it between them.

That estimate is too low if the limit rose between the two refusals, since the bucket may have overflowed. So a pace
that a probe has doubled is not lowered by the next probe that fails: the estimate is kept as a fallback, and counts
once the server refuses a call outside a probe.
"""

import math

from dataflow.pools.tuning import TUNING


class BucketEstimator:
    """Counts the calls that a token bucket accepts between two refusals. All times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._emptied_at = 0.0
        self._accepted = 0  # calls since then
        self._has_doubled = False  # whether a probe has doubled the pace since then
        self._fallback = math.inf  # calls a second, to go back to where the doubled pace turns out to be too fast

    def started(self) -> None:
        """Count a call as accepted until the server refuses it."""
        self._accepted += 1

    def take_back(self, started: float) -> None:
        """Count a call no longer, since the server refused it.

        Args:
            started: time at which that call started.
        """
        if started >= self._emptied_at:
            self._accepted -= 1

    def doubled(self) -> None:
        """Note that a probe has doubled the pace."""
        self._has_doubled, self._fallback = True, math.inf

    def emptied(self, now: float) -> None:
        """Count from zero: the bucket is empty now."""
        self._emptied_at, self._accepted, self._has_doubled = now, 0, False

    def measure(self, pace: float, proof: float, now: float) -> float:
        """Estimate the pace when the server refuses a call of a probe.

        Args:
            pace: calls a second that were known before.
            proof: calls more than `pace` allows that show a higher limit.
            now: time of the refusal.

        Returns:
            Calls a second: `pace` itself where the count is near it, or where the bucket may have overflowed.
        """
        seconds = now - self._emptied_at
        measured = TUNING.margin * max(1, self._accepted) / seconds
        more = self._accepted - pace * seconds
        self._fallback = math.inf
        if more < 0 and self._has_doubled:
            self._fallback = measured
        elif more < 0:
            return min(pace, measured)
        elif more >= proof / 2:
            return measured
        return pace

    def is_too_fast(self, pace: float) -> bool:
        """Say whether a refusal outside a probe shows that the bucket had not overflowed."""
        return pace > self._fallback

    def fall_back(self, pace: float) -> float:
        """Give up a doubled pace, by half at most.

        Args:
            pace: calls a second that turned out to be too many.

        Returns:
            Calls a second that the bucket takes.
        """
        slower, self._fallback = max(self._fallback, pace / 2), math.inf
        return slower
