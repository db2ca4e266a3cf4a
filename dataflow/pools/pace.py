"""How many calls start a minute: a pace that is learned where calls are refused although few are in flight.

Servers count in three ways. A token bucket keeps unused calls up to a number: it is empty whenever it refuses, so what
it let in between two refusals is what came into it meanwhile. That is too little if its limit rose in between and the
bucket overflowed, so a pace that was just doubled stays until a call beside the probe is refused. A window of a minute,
or of another time, sliding or from one full minute to the next, refuses everything once it is full; its limit is what
it had let in when it opens again. A window that opens all at once is a fixed one: its minutes are counted from there.

How long a window is shows when it opens for the first time: so long ago the first call started. Servers count in round
numbers, so a window is asked just before and just after each of these. One that opens at another moment is taken for
the rest of a minute that had begun before, until it lets in more than that, or opens a second time.

Every half minute the pace is doubled until the server refuses a call, or has let so many more in that the limit must
have risen. In a window that proves something only once the window is nearly full. Refusals that a slower pace does not
make rarer come by chance: the pace is forgotten.

| state     | `known`  | `probing` | `_pause` | what ends it                                                         |
|-----------|----------|-----------|----------|----------------------------------------------------------------------|
| unlimited | infinite | no        | 0        | an episode of refusals: paced; all is refused: blocked               |
| paced     | finite   | no        | 0        | a probe is due: probing; chance: unlimited; all is refused: blocked  |
| probing   | finite   | yes       | 0        | refused: paced; let in, or held back by other things: paced at twice |
| blocked   | any      | no        | above 0  | a call is let in: paced by the window, if it is one, else as before  |

A server is taken for a window (`_is_window`) once it has refused everything for seconds, and for good; for a bucket
until then. All times are monotonic, in seconds.

One file of over 300 lines, since every refusal and every start may touch all of the state in the table.
"""

import math
from collections import deque

from dataflow.pools.tuning import MINUTE, TUNING

LONGEST = 3600.0  # seconds of the longest window that is found
_LENGTHS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600)  # seconds


class Pace:
    """Starts of calls.

    Attributes:
        ceiling: starts a minute that are never passed, as the user set or the server stated them.
        known: starts a second that the server takes, as far as it has shown.
        probing: whether twice as many start just now.
    """

    def __init__(self) -> None:
        self.ceiling = math.inf
        self.known = math.inf
        self.probing = False
        self._starts: deque[list[float]] = deque()  # time and calls that were not refused, of the last window
        self._next_at = -math.inf  # when the pace lets a call start
        self._hold_until = -math.inf  # no call starts before, whatever the pace
        self._pause = 0.0  # between two attempts while everything is refused
        # A probe.
        self._probe_at = math.inf  # when the next may begin
        self._probe_began = 0.0
        self._probe_let_in = 0
        # A window.
        self._is_window = False
        self._length = MINUTE  # of the window, as far as it is known
        self._log_began = math.inf  # since when the log has all starts
        self._forgot = False  # whether there were others before
        self._opened_at: float | None = None  # when a full one let a call in again
        self._refused_at = 0.0  # the last call that was refused
        self._holds = 0.0  # calls, by what was let in before it opened last
        self._guess: tuple[float, float] | None = None  # calls and length, if that was the whole window
        self._window_holds = math.inf  # calls
        self._fixed_since: float | None = None  # a moment at which a fixed one opened; None: sliding, or not known
        self._length_when_full = self._window_when_full = math.inf  # calls in either when it last refused one
        self._end_stated = False  # whether the server said when the window opens
        # A bucket.
        self._bucket_empty_at = 0.0
        self._bucket_let_in = 0  # calls since then
        self._bucket_doubled = False  # whether the pace was doubled since then
        self._bucket_pace = math.inf  # to go back to, where the doubled pace turns out to be too fast
        # An episode of refusals.
        self._episode_began: float | None = None
        self._episode_refused = 0
        self._cut_at = -math.inf  # when an episode lowered the pace
        self._cut_share = 0.0  # of the calls in that episode, which were refused
        self._chance_until = -math.inf

    @property
    def allowed(self) -> float:
        """Starts a second."""
        return min(self.known * (2 if self.probing else 1), self.ceiling / MINUTE)

    def wait(self, now: float) -> float:
        """Seconds until a call may start; a probe begins when the pace is all that holds it back."""
        wait = max(0.0, self._next_at - now, self._hold_until - now)
        has_limit = self._window_holds < math.inf and not self.probing
        if not wait and has_limit and self._in_window(now) >= self._window_holds:
            wait = self._frees_at(now) - now
        if wait and self._may_probe(now):
            self.probing, self._probe_began, self._probe_let_in = True, now, 0
            self._window_holds = math.inf
            self._next_at = min(self._next_at, now + 0.5 / self.known)
        return wait

    def start(self, now: float) -> bool:
        """A call starts; whether it is part of a probe."""
        between = 1 / self.allowed
        # A late start is made up for, by half an interval at most: or a burst would follow every break.
        self._next_at = max(self._next_at, now - 0.5 * between) + between
        if not self._starts or now - self._starts[-1][0] >= TUNING.grain:
            self._forget(now - (LONGEST if self._pause else max(MINUTE, self._length)))
            self._starts.append([now, 0])
            self._log_began = min(self._log_began, now)
        self._starts[-1][1] += 1
        self._bucket_let_in += 1
        if self._pause:
            self._hold_until = max(self._hold_until, now + self._pause)
        return self.probing

    def _forget(self, before: float) -> None:
        while self._starts and self._starts[0][0] < before:
            at, calls = self._starts.popleft()
            if calls:
                self._forgot, self._log_began = True, at + TUNING.grain

    def answered(self, started: float, now: float) -> None:
        """The server took a call of a probe."""
        if not self.probing or started < self._probe_began:
            return
        self._probe_let_in += 1
        more = self._probe_let_in - self.known * (started - self._probe_began)
        if more >= self._proof and self._in_window(started) >= self.known * self._length + self._proof:
            if self._guess is not None and self._opened_at is not None and now - self._opened_at < TUNING.fresh:
                self._use_length(*self._guess, now)
            else:
                self.known *= 2
            self._bucket_doubled, self._bucket_pace = True, math.inf
            self.probing, self._probe_at = False, now + (TUNING.probe_every if self._is_window else 0)

    def unused(self, now: float) -> None:
        """Something else holds calls back: a probe that has lasted has succeeded, since nothing was refused."""
        if self.probing and now - self._probe_began > TUNING.blocked:
            self.known *= 2
            self.probing, self._probe_at = False, now

    def take_back(self, started: float) -> None:
        """A call that started then was refused."""
        self._refused_at = max(self._refused_at, started)
        if started >= self._bucket_empty_at:
            self._bucket_let_in -= 1
        for moment in reversed(self._starts):
            if moment[0] <= started:
                moment[1] -= 1
                return

    def probe_refused(self, now: float, wait: float) -> None:
        """The server refused a call of a probe.

        Args:
            now: monotonic time.
            wait: seconds it asks to wait.
        """
        if self.probing:
            self.probing = False
            if self._is_window:
                self._window_holds = self._measure_window(now)
            else:
                self._measure_bucket(now)
            self._hold_until = now + (wait or 1 / self.known)
        self._probe_at = now + TUNING.probe_every

    def refused(self, now: float, wait: float, streak: int) -> bool:
        """The server refused a call that was not one too many in flight; whether the pace was lowered.

        Args:
            now: monotonic time.
            wait: seconds it asks all calls to wait.
            streak: calls refused with none let in between.
        """
        self._hold_until = max(self._hold_until, now + wait)
        if self._is_window:
            self._window_holds = min(self._window_holds, self._measure_window(now))
            if streak >= TUNING.enough:
                self.known = min(self.known, TUNING.margin * self._window_holds / self._length)
            return False
        if self._episode_began is None or now - self._episode_began > TUNING.episode:
            self._episode_began, self._episode_refused = now, 0
        self._episode_refused += 1
        if self.known > self._bucket_pace:
            self.known, self._bucket_pace = max(self._bucket_pace, self.known / 2), math.inf
            self._start_measuring(now)
            return True
        return self._judge_episode(now, self._episode_began)

    def blocked(self, now: float, wait: float, seconds: float) -> None:
        """Everything is refused, though nothing else is in flight: one call at a time asks whether that is over.

        Args:
            now: monotonic time.
            wait: seconds the server asks to wait.
            seconds: for which it has been so.
        """
        self._pause = min(TUNING.longest_pause, max(TUNING.shortest_pause, 2 * self._pause))
        self._hold_until = now + (wait or self._pause)
        self._end_stated = wait > TUNING.stated_wait and wait * self.known > TUNING.stated_wait
        self._is_window = self._is_window or seconds + wait > TUNING.blocked
        self._measure_window(now)
        if self._is_window and not wait:
            self._hold_until = min(self._hold_until, max(now + TUNING.shortest_pause, self._frees_at(now)))
        if wait:
            self._refused_at = max(self._refused_at, now + wait - 2 * TUNING.grain)
        else:
            self._hold_until = min([self._hold_until, *(mark for mark in self._marks() if mark > now + 0.1)])
        self._next_at = min(self._next_at, self._hold_until)
        self.probing, self._probe_at = False, now + TUNING.probe_every

    def let_in(self, started: float, seconds: float) -> None:
        """A call that started then was let in, after so many seconds in which none was."""
        self._is_window = self._is_window or (self._pause > 0 and seconds > TUNING.blocked)
        if self._is_window and self._pause:
            self._opened(started)
        self._pause = 0.0

    def _opened(self, at: float) -> None:
        """A window that was full lets a call in: what that says of its length, its kind and its limit."""
        # A sliding window lets a call in when one leaves it. If none has left, the window is fixed, or shorter.
        none_left = self._since(at - self._length, at - 0.01) >= self._length_when_full
        since, self._opened_at = self._empty_since(), at
        if none_left or self._end_stated:
            self._fixed_since = at
        if since is None or not self._measure_length(since, at, none_left=none_left or self._end_stated):
            self._holds = self._length_when_full if self._fixed_since is None else self._window_when_full
            self.known = min(self.known, TUNING.margin * max(1.0, self._holds) / self._length)
        self._hold_until = min(self._hold_until, at)

    def _empty_since(self) -> float | None:
        """When the window opened that is full now, or the first call started; None: that is too long ago."""
        since = self._opened_at
        if since is None and not self._forgot:
            since = self._log_began
        return since if since is not None and since >= self._log_began else None

    def _measure_length(self, since: float, at: float, *, none_left: bool) -> bool:
        """Whether the length of the window follows from when it opened before, or from when the first call started."""
        let_in = self._since(since, at - 0.01)
        windows = max(1, round(let_in / self._holds)) if self._holds else 1
        late = windows == 1 and at - since > TUNING.longer * self._length
        if windows > TUNING.countable or not (none_left or late) or not let_in:
            return False
        shortest, longest = (self._refused_at - since) / windows, (at - since) / windows + TUNING.grain
        length = max((float(each) for each in _LENGTHS if shortest <= each <= longest), default=longest)
        if not self._holds and length not in _LENGTHS:
            self._guess = let_in, length  # more likely the rest of a fixed window, perhaps with the whole next one
            return False
        self._use_length(let_in / windows, length, at)
        return True

    def _use_length(self, holds: float, length: float, now: float) -> None:
        self._holds, self._length, self._window_holds, self._guess = holds, length, math.inf, None
        self.known = TUNING.margin * max(1.0, holds) / length
        self._next_at = min(self._next_at, now + 1 / self.known)

    def _marks(self) -> list[float]:
        """Moments around which a window of a usual length would open that is full for the first time."""
        since = None if self._holds else self._empty_since()
        if since is None:
            return []
        return [since + length + beside for length in _LENGTHS for beside in (-TUNING.beside, TUNING.grain / 2)]

    def _judge_episode(self, now: float, began: float) -> bool:
        """Lower the pace to what was let in during the episode, if the refusals in it are worth it and no chance."""
        seconds, let_in = now - began, self._since(began)
        share = self._episode_refused / (self._episode_refused + let_in)
        few = share < (TUNING.chance if now < self._chance_until else TUNING.worth)
        enough = TUNING.enough if self.known == math.inf else 2 * TUNING.enough
        too_early = seconds < TUNING.shortest_episode or let_in < TUNING.enough
        if few or too_early or self._episode_refused < enough:
            return False
        self._episode_began = None
        if now - self._cut_at < MINUTE and TUNING.no_rarer * self._cut_share < share < TUNING.chance:
            self.known, self._chance_until = math.inf, now + TUNING.chance_for
            return False
        self._cut_share, self._cut_at = share, now
        self.known = min(self.known, TUNING.margin * let_in / seconds)
        self._start_measuring(now)
        return True

    def _measure_bucket(self, now: float) -> None:
        """Set the pace to what came into the bucket since it was last empty, if that is far from it."""
        seconds = now - self._bucket_empty_at
        measured = TUNING.margin * max(1, self._bucket_let_in) / seconds
        more = self._bucket_let_in - self.known * seconds
        self._bucket_pace = math.inf
        if more < 0 and self._bucket_doubled:  # it may have overflowed: the next refusal decides
            self._bucket_pace = measured
        elif more < 0:
            self.known = min(self.known, measured)
        elif more >= self._proof / 2:
            self.known = measured
        self._start_measuring(now)

    def _start_measuring(self, now: float) -> None:
        """The bucket is empty: count what comes into it from here on."""
        self._bucket_empty_at, self._bucket_let_in, self._bucket_doubled = now, 0, False
        self._next_at = now + 1 / self.known
        self.probing, self._probe_at = False, now + TUNING.probe_every

    @property
    def _proof(self) -> float:
        """Calls more than the pace allows that show it is too low."""
        return TUNING.proof_calls + TUNING.proof_share * self.known * self._length

    def _may_probe(self, now: float) -> bool:
        if self.probing or now < max(self._probe_at, self._hold_until) or self.known >= self.ceiling / MINUTE:
            return False
        nearly = TUNING.nearly_full if self._fixed_since is None else TUNING.nearly_full_fixed
        holds = min(self.known * self._length, self._window_holds)
        return not self._is_window or self._in_window(now) >= nearly * holds

    def _since(self, since: float, until: float = math.inf) -> float:
        return sum(calls for at, calls in self._starts if since <= at < until)

    def _window_began(self, now: float) -> float:
        return now - (self._length if self._fixed_since is None else (now - self._fixed_since) % self._length)

    def _in_window(self, now: float) -> float:
        """Calls in the window of now."""
        return self._since(self._window_began(now))

    def _measure_window(self, now: float) -> float:
        """Calls that fit into the window, which refuses one now."""
        counted, self._length_when_full = self._in_window(now), self._since(now - self._length)
        if counted < TUNING.fixed_holds * self._length_when_full:
            self._fixed_since = None
            counted = self._length_when_full
        self._window_when_full = counted
        return max(1.0, counted)

    def _frees_at(self, now: float) -> float:
        """When a call fits again into the window, which is full now."""
        if self._fixed_since is not None:
            return self._window_began(now) + self._length + TUNING.grain
        oldest = next((at for at, calls in self._starts if calls and at >= now - self._length), now)
        return oldest + self._length + TUNING.grain
