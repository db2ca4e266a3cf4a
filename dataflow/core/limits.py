"""How many calls a pool has in flight: cut when the server says it is too many, grown back slowly.

Multiplicative decrease (x 0.8) on a rate limit, additive growth (+5 % a clean round) afterwards; nothing
starts before the wait the server asked for is over. Source: TCP's AIMD; the figures are from
measurements against rate-limited gateways.
"""

import math


class Limit:
    """The number in flight that is allowed now, between 1 and a ceiling."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._allowed = float(ceiling)
        self._clean = 0
        self._resume_at = 0.0
        self._cut_at = -math.inf

    @property
    def allowed(self) -> int:
        """Calls that may be in flight at once."""
        return max(1, int(self._allowed))

    def wait(self, now: float) -> float:
        """Seconds until another call may start; `now` is monotonic time."""
        return max(0.0, self._resume_at - now)

    def answered(self, ceiling: int) -> None:
        """A clean answer; the worker's width may have changed meanwhile."""
        if ceiling != self._ceiling:
            self._allowed = min(self._allowed, ceiling) if ceiling < self._ceiling else float(ceiling)
            self._ceiling = ceiling
        self._clean += 1
        if self._clean >= self.allowed and self._allowed < self._ceiling:
            self._clean = 0
            self._allowed = min(self._ceiling, max(self._allowed * 1.05, self._allowed + 0.5))

    def rate_limited(self, wait: float, now: float, keep: float = 0.8) -> None:
        """The server refused one call as too many; refusals of one burst cut only once.

        Args:
            wait: seconds before anything may start.
            now: monotonic time.
            keep: the share of the calls in flight that stays allowed.
        """
        self._resume_at = max(self._resume_at, now + wait)
        self._clean = 0
        if now - self._cut_at >= 1.0:
            self._cut_at = now
            self._allowed = max(1.0, self._allowed * keep)
