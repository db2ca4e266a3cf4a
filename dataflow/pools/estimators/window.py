"""The limit, the length and the kind of a window in which a server counts calls.

A server with a window refuses everything once the window is full. A sliding window holds the calls of the last minute;
a fixed window begins anew at each full minute of the server's clock. The limit is the number of accepted calls in the
window when it refuses one.

The length shows when a full window opens for the first time: it is the time since the first call started. A window that
opens at a time that is no round length is taken for the rest of a minute that had begun before, until it accepts more
than that, or opens a second time.

A sliding window opens when a call leaves it. A window that opens although no call has left it opens for all calls at
once: it is a fixed one, and its minutes are counted from there.
"""

import math
from dataclasses import dataclass, replace

from dataflow.pools.estimators.starts import StartLog
from dataflow.pools.estimators.window_lengths import is_round, length_between, openings
from dataflow.pools.tuning import MINUTE, TUNING


@dataclass(frozen=True, slots=True)
class Window:
    """Which calls a server counts together.

    Args:
        length: seconds.
        opened_at: monotonic time at which a fixed window began; None: the window slides, or its kind is not known.
    """

    length: float = MINUTE
    opened_at: float | None = None

    def began(self, now: float) -> float:
        """Give the time since which calls count now."""
        return now - (self.length if self.opened_at is None else (now - self.opened_at) % self.length)

    def frees_at(self, now: float, starts: StartLog) -> float:
        """Give the time at which the window accepts a call again, if it is full now."""
        if self.opened_at is not None:
            return self.began(now) + self.length + TUNING.grain
        first = starts.first(now - self.length)
        return (now if first is None else first) + self.length + TUNING.grain


@dataclass(frozen=True, slots=True)
class _Count:
    """Accepted calls when the window last refused one.

    Args:
        lately: of as many last seconds as the window is long.
        in_window: of the window itself.
    """

    lately: float = math.inf
    in_window: float = math.inf


@dataclass(frozen=True, slots=True)
class _Guess:
    """A first window of an unusual length: more likely the rest of a fixed one that had begun before.

    Args:
        calls: that it accepted.
        length: seconds.
    """

    calls: float
    length: float


class WindowEstimator:
    """Finds a window by what it refuses, and by when it opens. All times are monotonic, in seconds.

    Args:
        starts: starts of calls that the server did not refuse.
    """

    def __init__(self, starts: StartLog) -> None:
        self._starts = starts
        self._window = Window()
        self._limit = math.inf  # calls in the window, which are not exceeded; infinite: not known, or just probed
        self._calls = 0.0  # that the window held before it opened last
        self._last_opening: float | None = None  # when a full window last accepted a call again
        self._refused_at = 0.0  # when the last call that was refused started
        self._states_end = False  # whether the server says when a fixed window opens
        self._when_full = _Count()
        self._guess: _Guess | None = None

    @property
    def length(self) -> float:
        """Seconds of the window, as far as its length is known; a minute to begin with."""
        return self._window.length

    @property
    def held_calls(self) -> bool:
        """Whether the window held calls before it opened last; if not, the refusals were not of our number of calls."""
        return self._calls > 0

    @property
    def pace(self) -> float:
        """Calls a second, by what the window held before it opened last."""
        return TUNING.margin * max(1.0, self._calls) / self.length

    @property
    def pace_of_limit(self) -> float:
        """Calls a second, by the limit of the window."""
        return TUNING.margin * self._limit / self.length

    def count(self, now: float) -> float:
        """Count the accepted calls in the window of now."""
        return self._starts.count(self._window.began(now))

    def is_full(self, now: float) -> bool:
        """Say whether the window of now holds its limit."""
        return self._limit < math.inf and self.count(now) >= self._limit

    def is_nearly_full(self, pace: float, now: float) -> bool:
        """Say whether the window of now is so full that a probe proves something.

        Args:
            pace: calls a second that are known.
            now: time of the question.
        """
        nearly = TUNING.nearly_full if self._window.opened_at is None else TUNING.nearly_full_fixed
        return self.count(now) >= nearly * min(pace * self.length, self._limit)

    def frees_at(self, now: float) -> float:
        """Give the time at which the window accepts a call again, if it is full now."""
        return self._window.frees_at(now, self._starts)

    def likely_openings(self) -> list[float]:
        """List the times at which a window opens that is full for the first time; none once its limit is known."""
        since = None if self._calls else self._began_at()
        return [] if since is None else openings(since)

    def take_back(self, started: float) -> None:
        """Note that the server refused a call.

        Args:
            started: time at which that call started.
        """
        self._refused_at = max(self._refused_at, started)

    def probed(self) -> None:
        """Forget the limit, since a probe begins that is to exceed it."""
        self._limit = math.inf

    def probe_refused(self, now: float) -> None:
        """Take what the window holds for its limit."""
        self._limit = self._measure(now)

    def refused(self, now: float) -> None:
        """Take what the window holds for its limit, if that is less than the known one."""
        self._limit = min(self._limit, self._measure(now))

    def blocked(self, pace: float, wait: float, now: float) -> None:
        """Count what the window holds, now that the server refuses everything.

        Args:
            pace: calls a second that are known.
            wait: seconds that the server asks to wait; 0 if it says nothing.
            now: time of the refusal.
        """
        self._states_end = wait > TUNING.stated_wait and wait * pace > TUNING.stated_wait
        self._measure(now)
        if wait:
            self._refused_at = max(self._refused_at, now + wait - 2 * TUNING.grain)

    def opened(self, started: float) -> bool:
        """Learn the kind, the length and the limit of a full window that accepts a call again; `pace` is new then.

        Args:
            started: time at which that call started.

        Returns:
            Whether the length follows from this opening.
        """
        # A sliding window opens when a call leaves it. If none has left, the window is fixed, or shorter.
        none_left = (
            self._starts.count(started - self.length, started - 0.01) >= self._when_full.lately or self._states_end
        )
        since, self._last_opening = self._began_at(), started
        if none_left:
            self._window = replace(self._window, opened_at=started)
        if since is not None and self._measure_length(since, started, none_left=none_left):
            return True
        self._calls = self._when_full.lately if self._window.opened_at is None else self._when_full.in_window
        return False

    def adopt_guess(self, now: float) -> bool:
        """Take the first window for the whole one after all, unless that was long ago; `pace` is new then.

        Args:
            now: time at which the window has proved to hold more than the rest of a minute.

        Returns:
            Whether there was such a window.
        """
        if self._guess is None or self._last_opening is None or now - self._last_opening >= TUNING.fresh:
            return False
        self._adopt(self._guess.calls, self._guess.length)
        return True

    def _measure(self, now: float) -> float:
        """Count what the window holds, which refuses a call now: one call at least."""
        in_window, lately = self.count(now), self._starts.count(now - self.length)
        # A fixed window that is as full as a minute has most calls of that minute in it, or else it slides.
        if in_window < TUNING.fixed_holds * lately:
            self._window = replace(self._window, opened_at=None)
            in_window = lately
        self._when_full = _Count(lately, in_window)
        return max(1.0, in_window)

    def _began_at(self) -> float | None:
        """When the window that is full now last opened, or the first call started; None: the log does not go back."""
        since = self._last_opening
        if since is None and not self._starts.has_dropped:
            since = self._starts.complete_since
        return since if since is not None and since >= self._starts.complete_since else None

    def _measure_length(self, since: float, opened: float, *, none_left: bool) -> bool:
        """Whether the length follows from when the window opened before, or from when the first call started."""
        accepted = self._starts.count(since, opened - 0.01)
        windows = max(1, round(accepted / self._calls)) if self._calls else 1
        late = windows == 1 and opened - since > TUNING.longer * self.length
        if windows > TUNING.countable or not (none_left or late) or not accepted:
            return False
        shortest, longest = (self._refused_at - since) / windows, (opened - since) / windows + TUNING.grain
        length = length_between(shortest, longest)
        if not self._calls and not is_round(length):
            self._guess = _Guess(accepted, length)
            return False
        self._adopt(accepted / windows, length)
        return True

    def _adopt(self, calls: float, length: float) -> None:
        self._calls, self._window = calls, replace(self._window, length=length)
        self._limit, self._guess = math.inf, None
