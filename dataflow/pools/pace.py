"""How many calls start a minute: a pace that is learned where calls are refused although few are in flight.

Servers count in three ways. Of a token bucket the pace is the rate at which calls are let in between two
refusals: it is empty at both, so what it let in is what came into it. That is too little if a limit rose in
between and the bucket overflowed, so a pace that was just doubled stays until a call beside the probe is refused.
A window of a minute, sliding or from one full minute to the next, refuses everything once it is full; its limit
is what it had let in when it opens again. A window that opens all at once is a fixed one: it is counted from
there. The pace keeps 3 % below the limit, since a bucket that is never quite empty, and a window never quite
full, refuse nothing.

Every half minute the pace is doubled until the server refuses a call, or has let so many more in that
the limit must have risen. In a window that tells something only once the window is nearly full.
Refusals that a slower pace does not make rarer come by chance: the pace is forgotten.
"""

import math
from collections import deque

MINUTE = 60.0
_PROBE_EVERY = 35.0  # seconds, as for the width
_MARGIN = 0.97
_LONGEST_PAUSE = 3.0  # seconds between two attempts at a server that refuses everything
_BLOCKED = 5.0  # seconds of refusing everything that only a window has
_BUCKET = 0.25  # seconds
_EPISODE = 40.0  # seconds over which refusals are counted
_ENOUGH = 3  # refusals: fewer are chance
_SHARE = 0.05  # of the calls; less is not worth a slower pace
_CHANCE = 0.25  # more than this is no chance


class Pace:
    """Starts of calls.

    Attributes:
        ceiling: starts a minute that are never passed, told by the user or the server.
        known: starts a second that the server takes, as far as it has shown.
        probing: whether twice as many start just now.
    """

    def __init__(self) -> None:
        self.ceiling = math.inf
        self.known = math.inf
        self.probing = False
        self._started: deque[list[float]] = deque()  # time and calls that were not refused, of the last minute
        self._next_at = self._hold_until = -math.inf
        self._probe_at = math.inf
        self._probe_began = 0.0
        self._proven = 0
        self._pause = 0.0
        self._windowed = self._told = False
        self._opened: float | None = None  # when a fixed window began
        self._window = math.inf  # calls that fit into it
        self._in_minute = self._in_window = math.inf  # calls when it refused last
        self._began: float | None = None  # an episode of refusals
        self._refused = 0
        self._share = 0.0
        self._cut_at = self._chance_until = -math.inf
        self._empty_at = 0.0  # a bucket
        self._from_empty = 0  # calls let in since then
        self._risen = False  # whether the pace was doubled since then
        self._measured = math.inf  # of a pace that was doubled and may be too fast: what came into the bucket

    @property
    def allowed(self) -> float:
        """Starts a second."""
        return min(self.known * (2 if self.probing else 1), self.ceiling / MINUTE)

    def wait(self, now: float) -> float:
        """Seconds until a call may start; a probe begins when the pace is all that holds it back."""
        wait = max(0.0, self._next_at - now, self._hold_until - now)
        if not wait and not self.probing and self._counted(now) >= self._window:
            wait = self._frees_at(now) - now
        if wait and self._may_probe(now):
            self.probing, self._probe_began, self._proven = True, now, 0
            self._window = math.inf
            self._next_at = min(self._next_at, now + 0.5 / self.known)
        return wait

    def start(self, now: float) -> bool:
        """A call starts; whether it is part of a probe."""
        between = 1 / self.allowed
        self._next_at = max(self._next_at, now - 0.5 * between) + between
        if not self._started or now - self._started[-1][0] >= _BUCKET:
            while self._started and self._started[0][0] < now - MINUTE:
                self._started.popleft()
            self._started.append([now, 0])
        self._started[-1][1] += 1
        self._from_empty += 1
        if self._pause:
            self._hold_until = max(self._hold_until, now + self._pause)
        return self.probing

    def answered(self, started: float, now: float) -> None:
        """The server took a call of a probe."""
        if not self.probing or started < self._probe_began:
            return
        self._proven += 1
        more = self._proven - self.known * (started - self._probe_began)
        if more >= self._proof and self._counted(started) >= self.known * MINUTE + self._proof:
            self.known *= 2
            self._risen, self._measured = True, math.inf
            self.probing, self._probe_at = False, now + (_PROBE_EVERY if self._windowed else 0)

    def unused(self, now: float) -> None:
        """Something else holds calls back."""
        if self.probing and now - self._probe_began > _BLOCKED:
            self.known *= 2
            self.probing, self._probe_at = False, now

    def take_back(self, started: float) -> None:
        """A call that started then was refused."""
        if started >= self._empty_at:
            self._from_empty -= 1
        for bucket in reversed(self._started):
            if bucket[0] <= started:
                bucket[1] -= 1
                return

    def probe_refused(self, now: float, wait: float) -> None:
        """The server refused a call of a probe.

        Args:
            now: monotonic time.
            wait: seconds it asks to wait.
        """
        if self.probing:
            self.probing = False
            if self._windowed:
                self._window = self._filled(now)
            else:
                self._measure(now)
            self._hold_until = now + (wait or 1 / self.known)
        self._probe_at = now + _PROBE_EVERY

    def refused(self, now: float, wait: float, streak: int) -> bool:
        """The server refused a call that was not one too many in flight; whether the pace was lowered.

        Args:
            now: monotonic time.
            wait: seconds it asks all calls to wait.
            streak: calls refused with none let in between.
        """
        self._hold_until = max(self._hold_until, now + wait)
        if self._windowed:
            self._window = min(self._window, self._filled(now))
            if streak >= _ENOUGH:
                self.known = min(self.known, _MARGIN * self._window / MINUTE)
            return False
        if self._began is None or now - self._began > _EPISODE:
            self._began, self._refused = now, 0
        self._refused += 1
        if self.known > self._measured:
            self.known, self._measured = max(self._measured, self.known / 2), math.inf
            self._start_measuring(now)
            return True
        elapsed, let_in = now - self._began, self._since(self._began)
        share = self._refused / (self._refused + let_in)
        few = share < (_CHANCE if now < self._chance_until else _SHARE)
        enough = _ENOUGH if self.known == math.inf else 2 * _ENOUGH  # a pace that was found is not given up lightly
        if few or self._refused < enough or let_in < _ENOUGH or elapsed < 3:
            return False
        self._began = None
        if now - self._cut_at < MINUTE and 0.5 * self._share < share < _CHANCE:
            self.known, self._chance_until = math.inf, now + 10 * MINUTE
            return False
        self._share, self._cut_at = share, now
        self.known = min(self.known, _MARGIN * let_in / elapsed)
        self._start_measuring(now)
        return True

    def blocked(self, now: float, wait: float, seconds: float) -> None:
        """Everything is refused, though nothing else is in flight: one call at a time asks whether that is over.

        Args:
            now: monotonic time.
            wait: seconds the server asks to wait.
            seconds: for which it has been so.
        """
        self._pause = min(_LONGEST_PAUSE, max(0.5, 2 * self._pause))
        self._hold_until = now + (wait or self._pause)
        self._told = wait > 3 and wait * self.known > 3  # a sliding window would let the next one in soon
        self._windowed = self._windowed or seconds + wait > _BLOCKED
        self._filled(now)
        if self._windowed and not wait:
            self._hold_until = min(self._hold_until, max(now + 0.5, self._frees_at(now)))
        self._next_at = min(self._next_at, self._hold_until)
        self.probing, self._probe_at = False, now + _PROBE_EVERY

    def let_in(self, started: float, seconds: float) -> None:
        """A call that started then was let in, after so many seconds in which none was."""
        self._windowed = self._windowed or (self._pause > 0 and seconds > _BLOCKED)
        if self._windowed and self._pause:
            count = self._since(started - MINUTE, started - 0.01)
            if self._told or count >= self._in_minute:  # nothing had left a window of the last minute
                self._opened = started
            limit = self._in_minute if self._opened is None else self._in_window
            self.known = min(self.known, _MARGIN * max(1.0, limit) / MINUTE)
            self._hold_until = min(self._hold_until, started)
        self._pause = 0.0

    def _measure(self, now: float) -> None:
        """Set the pace to what came into the bucket since it was last empty, if that is far from it."""
        seconds = now - self._empty_at
        measured, more = _MARGIN * max(1, self._from_empty) / seconds, self._from_empty - self.known * seconds
        self._measured = math.inf
        if more < 0 and self._risen:
            self._measured = measured
        elif more < 0:
            self.known = min(self.known, measured)
        elif more >= self._proof / 2:
            self.known = measured
        self._start_measuring(now)

    def _start_measuring(self, now: float) -> None:
        self._empty_at, self._from_empty, self._risen = now, 0, False
        self._next_at = now + 1 / self.known
        self.probing, self._probe_at = False, now + _PROBE_EVERY

    @property
    def _proof(self) -> float:
        """Calls more than the pace allows that show it is too low."""
        return 2 + 0.1 * self.known * MINUTE

    def _may_probe(self, now: float) -> bool:
        if self.probing or now < max(self._probe_at, self._hold_until) or self.known >= self.ceiling / MINUTE:
            return False
        nearly = 0.9 if self._opened is None else 0.8
        return not self._windowed or self._counted(now) >= nearly * min(self.known * MINUTE, self._window)

    def _since(self, since: float, until: float = math.inf) -> float:
        return sum(calls for at, calls in self._started if since <= at < until)

    def _window_began(self, now: float) -> float:
        return now - (MINUTE if self._opened is None else (now - self._opened) % MINUTE)

    def _counted(self, now: float) -> float:
        if self._window == math.inf and not self._windowed and not self.probing:
            return 0.0
        return self._since(self._window_began(now))

    def _filled(self, now: float) -> float:
        """Calls in the window that refuses now. A fixed one holds at least half of the last minute's."""
        counted, self._in_minute = self._since(self._window_began(now)), self._since(now - MINUTE)
        if counted < 0.45 * self._in_minute:
            self._opened = None
            counted = self._in_minute
        self._in_window = counted
        return max(1.0, counted)

    def _frees_at(self, now: float) -> float:
        if self._opened is not None:
            return self._window_began(now) + MINUTE + _BUCKET
        oldest = next((at for at, calls in self._started if calls and at >= now - MINUTE), now)
        return oldest + MINUTE + _BUCKET
