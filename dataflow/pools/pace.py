"""How many calls start a minute: a pace that is learned where calls are refused although few are in flight.

Servers count calls in three ways, and rarely say in which. Each way has an estimator of its own in
`dataflow/pools/estimators/`: a token bucket, a window (fixed or sliding, of unknown length), and refusals without any
limit. This file chooses the estimator that sets the pace, and probes for more.

From time to time the pace is doubled until the server refuses a call, or has accepted so many more that the limit must
have risen. In a window such a probe proves something only once the window is nearly full.
"""

import math
from dataclasses import dataclass

from dataflow.pools.estimators.bucket import BucketEstimator
from dataflow.pools.estimators.episode import EpisodeEstimator
from dataflow.pools.estimators.starts import StartLog
from dataflow.pools.estimators.window import WindowEstimator
from dataflow.pools.estimators.window_lengths import LONGEST
from dataflow.pools.tuning import MINUTE, TUNING


@dataclass(slots=True)
class _Probe:
    """A time in which calls start at twice the known pace.

    Args:
        began: monotonic time.
        accepted: calls so far.
    """

    began: float
    accepted: int = 0


class Pace:
    """Chooses how many calls may start, and probes for more. All times are monotonic, in seconds.

    | state     | `known`  | what sets the pace          | what ends the state                                         |
    |-----------|----------|-----------------------------|-------------------------------------------------------------|
    | unlimited | infinite | nothing                     | an episode of refusals: bucket                              |
    | bucket    | finite   | an episode, then the bucket | a probe is due: probing; refusals come by chance: unlimited |
    | window    | finite   | the window                  | a probe is due and the window nearly full: probing          |
    | probing   | finite   | the state before, doubled   | refused: the state before, measured anew;                   |
    |           |          |                             | accepted, or the width is full: the state before, doubled   |
    | blocked   | any      | a pause after each attempt  | a call is accepted: window if there is one, or state before |

    A window that held no calls when it refused everything is none of ours: the pace stays what it was. Providers refuse
    everything for minutes when they are overloaded.

    Any state becomes blocked when the server refuses everything though nothing else is in flight. Only a window refuses
    everything for seconds (`TUNING.blocked`): from then on, and for good, the window sets the pace.

    Attributes:
        ceiling: starts a minute that are never exceeded, as the user set or the server stated them.
        known: starts a second that the server takes, as far as it has shown.
    """

    def __init__(self) -> None:
        self.ceiling = math.inf
        self.known = math.inf
        self._starts = StartLog()
        self._bucket = BucketEstimator()
        self._window = WindowEstimator(self._starts)
        self._episode = EpisodeEstimator(self._starts)
        self._is_window = False  # whether the window sets the pace
        self._probe: _Probe | None = None
        self._probe_at = math.inf  # when the next probe may begin
        self._next_at = -math.inf  # when the pace lets a call start
        self._hold_until = -math.inf  # when the server lets a call start, whatever the pace
        self._pause = 0.0  # seconds between two attempts while everything is refused; 0: not blocked

    @property
    def probing(self) -> bool:
        """Whether calls start at twice the known pace just now."""
        return self._probe is not None

    @property
    def allowed(self) -> float:
        """Starts a second."""
        return min(self._probed if self.probing else self.known, self.ceiling / MINUTE)

    def wait(self, now: float) -> float:
        """Give the seconds until a call may start; a probe begins when the pace is all that holds the call back."""
        wait = max(0.0, self._next_at - now, self._hold_until - now)
        if not wait and not self.probing and self._window.is_full(now):
            wait = self._window.frees_at(now) - now
        if wait and self._may_probe(now):
            self._probe = _Probe(now)
            self._window.probed()
            self._next_at = min(self._next_at, now + 0.5 / self.known)
        return wait

    def start(self, now: float) -> bool:
        """Note the start of a call, and say whether the call is part of a probe."""
        between = 1 / self.allowed
        # A late start is made up for, by half an interval at most: or a burst would follow every break.
        self._next_at = max(self._next_at, now - 0.5 * between) + between
        # A blocked window may be as long as any, and its length shows when it opens.
        self._starts.add(now, LONGEST if self._pause else max(MINUTE, self._window.length))
        self._bucket.started()
        if self._pause:
            self._hold_until = max(self._hold_until, now + self._pause)
        return self.probing

    def probe_accepted(self, started: float, now: float) -> None:
        """Count an accepted call of a probe; enough of them double the pace.

        Args:
            started: time at which that call started.
            now: time of its answer.
        """
        if self._probe is None or started < self._probe.began:
            return
        self._probe.accepted += 1
        more = self._probe.accepted - self.known * (started - self._probe.began)
        if more < self._proof or self._window.count(started) < self.known * self._window.length + self._proof:
            return
        if self._window.adopt_guess(now):
            self._follow_window(now)
        else:
            self.known = self._probed
        self._bucket.doubled()
        self._end_probe(now + (TUNING.probe_every if self._is_window else 0))

    def held_by_width(self, now: float) -> None:
        """Note that the width holds calls back: a probe that has lasted has succeeded, since nothing was refused."""
        if self._probe is not None and now - self._probe.began > TUNING.blocked:
            self.known = self._probed
            self._end_probe(now)

    def take_back(self, started: float) -> None:
        """Count a call no longer, since the server refused it.

        Args:
            started: time at which that call started.
        """
        self._starts.take_back(started)
        self._bucket.take_back(started)
        self._window.take_back(started)

    def probe_refused(self, now: float, wait: float) -> None:
        """Measure the limit, since the server refused a call of a probe.

        Args:
            now: time of the refusal.
            wait: seconds that the server asks to wait; 0 if it says nothing.
        """
        if self._probe is not None:
            if self._is_window:
                self._window.probe_refused(now)
            else:
                self._follow_bucket(self._bucket.measure(self.known, self._proof, now), now)
            self._hold_until = now + (wait or 1 / self.known)
        self._end_probe(now + TUNING.probe_every)

    def refused(self, now: float, wait: float, streak: int) -> bool:
        """Learn from a refusal that is not of one call too many in flight, and say whether the pace is lowered.

        Args:
            now: time of the refusal.
            wait: seconds that the server asks all calls to wait; 0 if it says nothing.
            streak: calls refused with none accepted in between.
        """
        self._hold_until = max(self._hold_until, now + wait)
        if self._is_window:
            self._window.refused(now)
            if streak >= TUNING.enough:
                self.known = min(self.known, self._window.pace_of_limit)
            return False
        self._episode.refused(now)
        if self._bucket.is_too_fast(self.known):
            self._follow_bucket(self._bucket.fall_back(self.known), now)
            return True
        pace = self._episode.judge(self.known, now)
        if pace is None:
            return False
        if pace == math.inf:
            self.known = pace
            return False
        self._follow_bucket(pace, now)
        return True

    def blocked(self, now: float, wait: float, seconds: float) -> None:
        """Let one call at a time ask whether the server still refuses everything, though nothing else is in flight.

        Args:
            now: time of the last refusal.
            wait: seconds that the server asks to wait; 0 if it says nothing.
            seconds: for which the server has refused everything.
        """
        self._pause = min(TUNING.longest_pause, max(TUNING.shortest_pause, 2 * self._pause))
        self._is_window = self._is_window or seconds + wait > TUNING.blocked
        self._window.blocked(self.known, wait, now)
        self._hold_until = now + wait if wait else min(now + self._pause, self._likely_opening(now))
        self._next_at = min(self._next_at, self._hold_until)
        self._end_probe(now + TUNING.probe_every)

    def accepted(self, started: float, seconds: float) -> None:
        """End the blocked state, since the server accepted a call.

        Args:
            started: time at which that call started.
            seconds: for which the server had refused everything.
        """
        self._is_window = self._is_window or (self._pause > 0 and seconds > TUNING.blocked)
        if self._is_window and self._pause:
            if self._window.opened(started):
                self._follow_window(started)
            elif self._window.held_calls:
                self.known = min(self.known, self._window.pace)
            self._hold_until = min(self._hold_until, started)
        self._pause = 0.0

    def _follow_window(self, now: float) -> None:
        """Take over the pace of a window whose length was just found."""
        self.known = self._window.pace
        self._next_at = min(self._next_at, now + 1 / self.known)

    def _follow_bucket(self, pace: float, now: float) -> None:
        """Take over a pace at a refusal: the bucket is empty, and counts from here on."""
        self.known = pace
        self._bucket.emptied(now)
        self._next_at = now + 1 / pace
        self._end_probe(now + TUNING.probe_every)

    def _end_probe(self, next_at: float) -> None:
        self._probe, self._probe_at = None, next_at

    def _may_probe(self, now: float) -> bool:
        if self.probing or now < max(self._probe_at, self._hold_until) or self.known >= self.ceiling / MINUTE:
            return False
        return not self._is_window or self._window.is_nearly_full(self.known, now)

    def _likely_opening(self, now: float) -> float:
        """The next time at which a window that is full now would open; infinite if it is not known."""
        times = [time for time in self._window.likely_openings() if time > now + 0.1]
        if self._is_window:
            times.append(max(now + TUNING.shortest_pause, self._window.frees_at(now)))
        return min(times, default=math.inf)

    @property
    def _probed(self) -> float:
        """Starts a second during a probe: twice the known pace, and enough for the proof within one window.

        The double of one call a minute never brings the calls of a proof into a window of a minute, so such a pace
        would stay for ever once the server takes more.
        """
        return max(2 * self.known, self.known + (self._proof + 1) / self._window.length)

    @property
    def _proof(self) -> float:
        """Calls more than the pace allows that show it is too low."""
        return TUNING.proof_calls + TUNING.proof_share * self.known * self._window.length
