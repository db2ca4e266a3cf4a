"""Limits that a server enforces undeclared: calls in flight, or calls in a time, counted in one of three ways.

Each limit takes the time as an argument, so that a simulation and a real server on loopback use the same code.
"""

import math
from collections import deque
from typing import Protocol

WINDOW = 60.0  # seconds


class HiddenLimit(Protocol):
    """Decides whether a server lets a call in.

    Attributes:
        limit: calls in flight or in the window; may be changed at any time.
    """

    limit: float

    def refuse(self, now: float) -> float | None:
        """None: a call that arrives now is let in; else the seconds after which a call would be."""

    def ended(self) -> None:
        """A call that was let in has ended."""


class InFlight:
    """At most `limit` calls in flight."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._busy = 0

    def refuse(self, now: float) -> float | None:
        if self._busy >= self.limit:
            return 1.0  # what servers say that do not know
        self._busy += 1
        return None

    def ended(self) -> None:
        self._busy -= 1


class SlidingWindow:
    """At most `limit` calls in the last 60 s, or in another time."""

    def __init__(self, limit: float, window: float = WINDOW) -> None:
        self.limit = limit
        self._window = window
        self._let_in: deque[float] = deque()

    def refuse(self, now: float) -> float | None:
        while self._let_in and self._let_in[0] <= now - self._window:
            self._let_in.popleft()
        if (over := len(self._let_in) - int(self.limit)) >= 0:
            return self._let_in[over] + self._window - now
        self._let_in.append(now)
        return None

    def ended(self) -> None:
        pass


class FixedWindow:
    """At most `limit` calls between two full minutes of the server's clock, or of another time.

    Args:
        limit: calls in the window.
        phase: seconds into its window at which the server's clock starts.
        window: seconds.
    """

    def __init__(self, limit: float, phase: float = 0.0, window: float = WINDOW) -> None:
        self.limit = limit
        self._phase = phase
        self._window = window
        self._minute = -1
        self._count = 0

    def refuse(self, now: float) -> float | None:
        minute = math.floor((now + self._phase) / self._window)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        if self._count >= self.limit:
            return (minute + 1) * self._window - self._phase - now
        self._count += 1
        return None

    def ended(self) -> None:
        pass


class TokenBucket:
    """A token every 60 / limit seconds, at most `burst` of them kept."""

    def __init__(self, limit: float, burst: float) -> None:
        self.limit = limit
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def refuse(self, now: float) -> float | None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self.limit / WINDOW)
        self._at = now
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) * WINDOW / self.limit
        self._tokens -= 1
        return None

    def ended(self) -> None:
        pass


class RefusesFor:
    """Another limit of a server that for some seconds refuses every call, and asks each to wait two seconds."""

    def __init__(self, limit: HiddenLimit, begin: float, end: float) -> None:
        self.limit = limit.limit
        self._inner, self._begin, self._end = limit, begin, end

    def refuse(self, now: float) -> float | None:
        return 2.0 if self._begin <= now < self._end else self._inner.refuse(now)

    def ended(self) -> None:
        self._inner.ended()
