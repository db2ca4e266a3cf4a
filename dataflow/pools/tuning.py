"""The figures by which the pace of calls is found."""

from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """The figures by which a pace is found; ours, chosen with `benchmarks/api_limits.py`.

    A pace is a number of calls that start in a second. Seconds are wall-clock time, shares lie between 0 and 1.

    Args:
        margin: share of an estimated limit that becomes the pace, since a bucket that is never quite empty, and a
            window that is never quite full, refuse nothing.
        grain: seconds within which the starts of calls are logged as one moment.
        probe_every: seconds from the end of one probe to the next, of the pace as of the width, so that a limit that
            holds refuses less than two calls a minute.
        proof_calls: calls above the known pace that a probe must have accepted to prove that pace too low,
        proof_share: and the share of a window's calls at the known pace that is added to them.
        nearly_full: share of a sliding window's limit from which on a probe may begin; before, the window accepts every
            call, and a probe proves nothing.
        nearly_full_fixed: the same share for a fixed window, which is lower because that window ends at a full minute,
            whether it was full or not.
        fixed_holds: share of the last minute's calls that lie in a fixed window when that window refuses a call; fewer
            show that the window is a sliding one.
        blocked: seconds for which only a window refuses everything.
        stated_wait: seconds, and also calls at the known pace, for which only a fixed window asks to wait; a sliding
            one accepts its next call sooner.
        shortest_pause: seconds from the first to the second attempt at a server that refuses everything; each attempt
            that fails doubles the pause,
        longest_pause: up to so many seconds.
        longer: multiple of a window's known length after which a window that is still closed is a longer one.
        beside: seconds by which a window is asked before the time at which one of a usual length would open.
        fresh: seconds for which the unusual length of a first window is remembered, in case it was the whole window.
        countable: windows at most that may have passed without a refusal since the window was full last.
        episode: seconds over which the refusals of one episode are counted,
        shortest_episode: and seconds before which an episode is too short to count.
        enough: refusals of an episode that no chance explains; twice as many where the pace is known already, so that
            it is not given up lightly.
        worth: share of refused calls from which on a slower pace saves more than it costs,
        chance: and share above which refusals are no chance.
        no_rarer: share of the refusals before the last cut; if more than this share stays, the cut made refusals no
            rarer, and they come by chance,
        chance_for: so that for so many seconds only a share above `chance` lowers the pace again.
    """

    margin: float = 0.97
    grain: float = 0.25
    probe_every: float = 35.0
    proof_calls: int = 2
    proof_share: float = 0.1
    nearly_full: float = 0.9
    nearly_full_fixed: float = 0.8
    fixed_holds: float = 0.45
    blocked: float = 5.0
    stated_wait: float = 3.0
    shortest_pause: float = 0.5
    longest_pause: float = 3.0
    longer: float = 1.15
    beside: float = 0.5
    fresh: float = 2 * MINUTE
    countable: int = 3
    episode: float = 40.0
    shortest_episode: float = 3.0
    enough: int = 3
    worth: float = 0.05
    chance: float = 0.25
    no_rarer: float = 0.5
    chance_for: float = 10 * MINUTE


TUNING = Tuning()
