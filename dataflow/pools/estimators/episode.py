"""The pace that an episode of refusals shows, and whether those refusals come by chance.

An episode is a time of refusals, 40 seconds at most. What the server accepted in it is what it takes, whatever its way
of counting. A slower pace is worth having only if the refusals are many; and if they are as many after a cut as before,
no limit makes them: they come by chance, and slowing down costs time for nothing.
"""

import math

from dataflow.pools.estimators.starts import StartLog
from dataflow.pools.tuning import MINUTE, TUNING


class EpisodeEstimator:
    """Counts refusals against accepted calls. All times are monotonic, in seconds.

    Args:
        starts: starts of calls that the server did not refuse.
    """

    def __init__(self, starts: StartLog) -> None:
        self._starts = starts
        self._began: float | None = None
        self._refused = 0  # calls in the episode
        self._cut_at = -math.inf  # when an episode lowered the pace
        self._cut_share = 0.0  # of the calls in that episode that were refused
        self._chance_until = -math.inf  # until then refusals count as chance unless they are very many

    def refused(self, now: float) -> None:
        """Count a refusal; the first one after an episode begins another."""
        if self._began is None or now - self._began > TUNING.episode:
            self._began, self._refused = now, 0
        self._refused += 1

    def judge(self, pace: float, now: float) -> float | None:
        """Decide what the refusals of the episode mean.

        Args:
            pace: calls a second that are known before; infinite without a known limit.
            now: time of the last refusal.

        Returns:
            Calls a second that the server accepted during the episode, `pace` at most; infinite if the refusals come by
            chance; None if they are too few to decide anything yet.
        """
        assert self._began is not None
        seconds, accepted = now - self._began, self._starts.count(self._began)
        share = self._refused / (self._refused + accepted)
        few = share < (TUNING.chance if now < self._chance_until else TUNING.worth)
        # A pace that was found is not given up lightly.
        enough = TUNING.enough if pace == math.inf else 2 * TUNING.enough
        too_early = seconds < TUNING.shortest_episode or accepted < TUNING.enough
        if few or too_early or self._refused < enough:
            return None
        self._began = None
        if now - self._cut_at < MINUTE and TUNING.no_rarer * self._cut_share < share < TUNING.chance:
            self._chance_until = now + TUNING.chance_for
            return math.inf
        self._cut_share, self._cut_at = share, now
        return min(pace, TUNING.margin * accepted / seconds)
