"""What an account may ask of a server at once and in a minute: both found out by asking, shared by all who use it.

A refusal (HTTP 429) rarely says which limit it speaks of. It belongs to the one that held calls back at the time of the
refusal: the width if every place was taken, the pace if calls waited for their time. A refusal at a level at which
others were accepted a moment ago counts for the pace as well; several in a row with nothing else in flight belong to
the pace alone, and the width gets back what they had cost it.

`Retry-After` always holds for the refused request. New calls wait for it too where it tells of calls a minute: when
everything is refused, when a faster pace was tried, or when nothing else was in flight. A refusal of one
call too many in flight stops no other, since the next answer makes room, whatever the header says.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from dataflow.core.worker import Limits
from dataflow.pools.pace import Pace
from dataflow.pools.tuning import MINUTE
from dataflow.pools.width import Width

_STREAK = 4  # refusals in a row after which those with nothing else in flight are no chance
_USUAL = 0.8  # the share that stays where a server says no more than "fewer"
_EARLIER = 0.1  # seconds, or 5 % of what a call takes if that is less: so much before us the server knows of an end


@dataclass(slots=True, eq=False)
class Call:
    """One call in flight.

    Args:
        started: monotonic time.
        level: calls in flight with it, itself included, as the server counted them.
        probe: it started earlier than the known pace allows.
    """

    started: float
    level: int
    probe: bool = False


class Limit:
    """How many calls may be in flight and how many may start; `now` is monotonic time.

    Args:
        ceiling: most calls in flight.
        start: calls in flight to begin with; None: the ceiling.
    """

    def __init__(self, ceiling: int, start: int | None = None) -> None:
        self.width = Width(ceiling, ceiling if start is None else start)
        self.pace = Pace()
        self._calls: dict[Call, None] = {}
        self._is_full = True  # the width held calls back last, not the pace
        self._streak = 0  # refusals since a call was let in
        self._streak_began = self._streak_at = -math.inf  # when the first and the last of them started
        self._allowed_before = 0  # by the width, when the streak began
        self._waiting: dict[Callable[[], None], None] = {}  # in turn; a dict keeps each once

    @property
    def allowed(self) -> int:
        """Calls that may be in flight at once."""
        return self.width.allowed

    @property
    def in_flight(self) -> int:
        """Calls of everyone who shares it."""
        return len(self._calls)

    def shown(self, width: int) -> str:
        """What is allowed, as far as it was found: " of 64, 590 a minute".

        Args:
            width: calls that the worker can use now.
        """
        a_minute = min(self.pace.known * MINUTE, self.pace.ceiling)
        allowed = min(self.allowed, width)
        of = f" of {allowed}" if allowed < self.width.ceiling else ""
        return of + (f", {a_minute:.0f} a minute" if a_minute < math.inf else "")

    def wait(self, now: float) -> float:
        """Seconds until another call may start; infinite if one must end before."""
        if self.in_flight >= self.width.room(now):
            self._is_full = True
            self.pace.unused(now)
            return math.inf
        wait = self.pace.wait(now)
        if wait:
            self._is_full = False
        return wait

    def start(self, now: float) -> Call:
        """A call starts."""
        call = Call(now, self.in_flight + 1, self.pace.start(now))
        self._calls[call] = None
        return call

    def answered(self, call: Call, now: float) -> None:
        """The server took the call, whatever its answer."""
        del self._calls[call]
        for each in reversed(self._calls):
            if each.started < now - min(_EARLIER, 0.05 * self.width.latency):
                break
            each.level -= 1  # the server had freed this call's place before the client knew
        self.width.answered(call.level, call.started, now)
        if call.probe:
            self.pace.answered(call.started, now)
        if call.started > self._streak_at:
            self._let_in(call.started)

    def troubled(self, call: Call) -> None:
        """The server failed, which says nothing of limits: no growth, no cut."""
        if call in self._calls:
            del self._calls[call]
            self.width.troubled()

    def refused(self, call: Call, wait: float, now: float, keep: float = _USUAL) -> None:
        """The server refused the call as one too many.

        Args:
            call: as `start` gave it.
            wait: seconds the server asks to wait, 0 if it says nothing.
            now: monotonic time.
            keep: the share of the calls in flight that stays, where the server wants less than usual.
        """
        del self._calls[call]
        self.pace.take_back(call.started)
        self._count(call, now)
        nothing_else = call.level <= 1
        if keep < _USUAL:
            self.width.cut(keep, now)
        elif self._streak >= _STREAK and nothing_else:
            self.width.restore(self._allowed_before)
            self.pace.blocked(now, wait, now - self._streak_began)
        elif call.probe and not self._is_full:
            self.pace.probe_refused(now, wait)
        else:
            if not self._is_full or nothing_else or call.level <= self.width.highest_lately(now):
                self._slow_down(now, wait if nothing_else else 0.0)
            if self._is_full:
                self.width.refused(call.level, now, self.in_flight)
            else:
                self.width.hold(now)

    def wake_when_free(self, wake: Callable[[], None]) -> None:
        """Have this called once when a call has ended."""
        self._waiting[wake] = None

    def wake(self, now: float) -> None:
        """Let those go on who waited for a call to end, in turn: who is served and wants more goes to the end."""
        for _ in range(len(self._waiting)):
            if self.in_flight >= self.width.room(now):
                return
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            wake()

    def _count(self, call: Call, now: float) -> None:
        if any(self._streak_at < each.started < call.started for each in self._calls):
            self._let_in(now)  # a refusal is quick: calls that started before and still run were let in
        self._streak += 1
        self._streak_at = max(self._streak_at, call.started)
        if self._streak == 1:
            self._allowed_before, self._streak_began = self.width.allowed, call.started
        for each in self._calls:  # a refused call took no place from those that started after
            if each.started >= call.started:
                each.level -= 1

    def _let_in(self, started: float) -> None:
        if self._streak:
            self.pace.let_in(started, started - self._streak_began)
        self._streak = 0

    def _slow_down(self, now: float, wait: float) -> None:
        if self.pace.refused(now, wait, self._streak):
            needed = 2 + int(2 * self.pace.known * self.width.latency)  # in flight at this pace, twice over
            self.width.restore(max(self.width.allowed, needed))


_SHARED: "WeakValueDictionary[Hashable, Limit]" = WeakValueDictionary()


def limit_of(limits: Limits) -> Limit:
    """The limit that all of this account share while one of them lives; one of its own for None.

    Args:
        limits: of a worker. The highest width of those who share an account holds.
    """
    if limits.account is None:
        return Limit(limits.width, limits.width_at_first)
    limit = _SHARED.setdefault(limits.account, Limit(limits.width, limits.width_at_first))
    limit.width.ceiling = max(limit.width.ceiling, limits.width)
    return limit
