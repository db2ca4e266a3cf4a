"""How many calls an account may have in flight, and how many may start in a minute.

A server rarely states either limit, so both are found out by asking. All workers of one account share what was found.

A refusal (HTTP 429) rarely says which limit it speaks of. It counts against the limit that held calls back at the time
of the refusal: the width if every place was taken, the pace if calls waited for their time. A refusal at a level at
which the server accepted others a moment ago counts against the pace as well. Several refusals in a row with nothing
else in flight count against the pace only, and the width gets back what those refusals had cost it.

`Retry-After` always holds for the refused request. New calls wait for that time too where the header speaks of calls a
minute: when the server refuses everything, when it refuses a probe of a faster pace, or when nothing else was in
flight. A refusal of one call too many in flight stops no other call, whatever the header says, since the next answer
makes room.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from dataflow.core.worker import Limits
from dataflow.pools.pace import Pace
from dataflow.pools.tuning import MINUTE
from dataflow.pools.width import Width

_STREAK = 4  # refusals in a row, after which a refusal with nothing else in flight is no chance
_USUAL = 0.8  # share of the calls in flight that stays unless the server asks for less
_EARLIER = 0.1  # seconds, 5 % of a call's time at most, by which the server knows before us that a call ended


@dataclass(slots=True, eq=False)
class Call:
    """One call in flight.

    Args:
        started: monotonic time.
        level: calls in flight when the server counted this one, this one included.
        probe: whether this call started earlier than the known pace allows.
    """

    started: float
    level: int
    probe: bool = False


class Limit:
    """How many calls of one account may be in flight, and how many may start. All times are monotonic, in seconds.

    Args:
        ceiling: most calls in flight, whatever the server accepts.
        start: calls in flight to begin with; None: the ceiling.

    Attributes:
        width: finds how many calls may be in flight.
        pace: finds how many calls may start in a minute.
    """

    def __init__(self, ceiling: int, start: int | None = None) -> None:
        self.width = Width(ceiling, ceiling if start is None else start)
        self.pace = Pace()
        self._calls: dict[Call, None] = {}
        self._is_full = True  # whether the width held calls back last, rather than the pace
        self._streak = 0  # refusals since the server last accepted a call
        self._streak_began = self._streak_at = -math.inf  # when the first and the last call of the streak started
        self._allowed_before = 0  # calls that the width allowed when the streak began
        self._waiting: dict[Callable[[], None], None] = {}  # callbacks in turn; a dict keeps each of them once

    @property
    def allowed(self) -> int:
        """Calls that may be in flight at once, as far as the server has shown."""
        return self.width.allowed

    @property
    def in_flight(self) -> int:
        """Calls in flight of all workers that share this limit."""
        return len(self._calls)

    def shown(self, width: int) -> str:
        """Describe what was found, to follow the number of calls in flight: " of 64, 590 a minute".

        Args:
            width: most calls in flight of the worker whose display this is.
        """
        a_minute = min(self.pace.known * MINUTE, self.pace.ceiling)
        allowed = min(self.allowed, width)
        of = f" of {allowed}" if allowed < self.width.ceiling else ""
        return of + (f", {a_minute:.0f} a minute" if a_minute < math.inf else "")

    def wait(self, now: float) -> float:
        """Give the seconds until another call may start; infinite if a call must end first."""
        if self.in_flight >= self.width.room(now):
            self._is_full = True
            self.pace.held_by_width(now)
            return math.inf
        wait = self.pace.wait(now)
        if wait:
            self._is_full = False
        return wait

    def start(self, now: float) -> Call:
        """Note that a call starts."""
        call = Call(now, self.in_flight + 1, self.pace.start(now))
        self._calls[call] = None
        return call

    def answered(self, call: Call, now: float) -> None:
        """Note that the server accepted the call, whatever its answer."""
        del self._calls[call]
        for running in reversed(self._calls):
            if running.started < now - min(_EARLIER, 0.05 * self.width.latency):
                break
            running.level -= 1  # the server had freed this call's place before the answer reached us
        self.width.answered(call.level, call.started, now)
        if call.probe:
            self.pace.probe_accepted(call.started, now)
        if call.started > self._streak_at:
            self._end_streak(call.started)

    def failed(self, call: Call) -> None:
        """Note that the server failed to answer, which says nothing of limits; no effect on a call that has ended."""
        if call in self._calls:
            del self._calls[call]
            self.width.failed()

    def refused(self, call: Call, wait: float, now: float, keep: float = _USUAL) -> None:
        """Learn from a call that the server refused as one too many.

        Args:
            call: as `start` gave it.
            wait: seconds that the server asks to wait; 0 if it says nothing.
            now: time of the refusal.
            keep: share of the calls in flight that may stay, where the server asks for fewer than usual.
        """
        del self._calls[call]
        self.pace.take_back(call.started)
        self._extend_streak(call, now)
        nothing_else = call.level <= 1
        if keep < _USUAL:
            self.width.cut(keep, now)
        elif self._streak >= _STREAK and nothing_else:
            # Not one call is accepted though no other is in flight, so the refusals never spoke of the width.
            self.width.restore(self._allowed_before)
            self.pace.blocked(now, wait, now - self._streak_began)
        elif call.probe and not self._is_full:
            self.pace.probe_refused(now, wait)
        else:
            # Calls that waited for their time, or a level that the server accepted a moment ago, point to the pace.
            if not self._is_full or nothing_else or call.level <= self.width.highest_lately(now):
                self._slow_down(now, wait if nothing_else else 0.0)
            if self._is_full:
                self.width.refused(call.level, now, self.in_flight)
            else:
                self.width.hold(now)

    def wake_when_free(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when a call has ended and made room."""
        self._waiting[wake] = None

    def wake(self, now: float) -> None:
        """Call back in turn while there is room; a pool that has started a call and wants more goes to the end."""
        for _ in range(len(self._waiting)):
            if self.in_flight >= self.width.room(now):
                return
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            wake()

    def _extend_streak(self, call: Call, now: float) -> None:
        # A refusal is quick. So a call that started before the refused one and still runs was accepted in between.
        if any(self._streak_at < running.started < call.started for running in self._calls):
            self._end_streak(now)
        self._streak += 1
        self._streak_at = max(self._streak_at, call.started)
        if self._streak == 1:
            self._allowed_before, self._streak_began = self.width.allowed, call.started
        # The refused call took no place at the server, so it does not count towards the level of calls after it.
        for running in self._calls:
            if running.started >= call.started:
                running.level -= 1

    def _end_streak(self, started: float) -> None:
        if self._streak:
            self.pace.accepted(started, started - self._streak_began)
        self._streak = 0

    def _slow_down(self, now: float, wait: float) -> None:
        if self.pace.refused(now, wait, self._streak):
            needed = 2 + int(2 * self.pace.known * self.width.latency)  # twice as many as are in flight at this pace
            self.width.restore(max(self.width.allowed, needed))


_SHARED: "WeakValueDictionary[Hashable, Limit]" = WeakValueDictionary()


def limit_of(limits: Limits) -> Limit:
    """Find the limit of a worker's account, which all workers of that account share while one of them lives.

    Args:
        limits: of the worker; without an account, the worker gets a limit of its own. The highest width of the workers
            that share an account is the ceiling.
    """
    if limits.account is None:
        return Limit(limits.width, limits.width_at_first)
    limit = _SHARED.setdefault(limits.account, Limit(limits.width, limits.width_at_first))
    limit.width.ceiling = max(limit.width.ceiling, limits.width)
    return limit
