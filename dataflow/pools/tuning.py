"""The figures by which the pace of calls is found."""

from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """The figures by which a pace is found; ours, chosen with `benchmarks/api_limits.py`.

    Args:
        margin: share of a limit that is used, since a bucket that is never quite empty, and a window that is never
            quite full, refuse nothing.
        grain: seconds within which starts are logged as one moment.
        probe_every: seconds from one probe to the next, as for the width.
        proof_calls: calls more than the pace allows, which prove in a probe that it is too low,
        proof_share: and this share of a minute's calls beside them.
        nearly_full: share of a sliding window from which on a probe may begin; before, it proves nothing,
        nearly_full_fixed: and of a fixed one, which ends whether it was full or not.
        fixed_holds: share of the last minute's calls that lie in a fixed window when it refuses; fewer show that the
            window is a sliding one.
        blocked: seconds of refusing everything that only a window has.
        stated_wait: seconds, and calls at the known pace, for which only a fixed window asks to wait; a sliding one
            would let the next call in sooner.
        shortest_pause: seconds between two attempts at a server that refuses everything; doubled by each that fails,
        longest_pause: up to this.
        longer: times the known length of a window, after which it is a longer one.
        beside: seconds before a window of a usual length would open at which it is asked whether it has.
        fresh: seconds for which the length of the first window is worth a try that turned out longer than usual ones.
        countable: windows that may have passed unnoticed since it was full last.
        episode: seconds over which refusals are counted,
        shortest_episode: and those before which they are too few to count.
        enough: refusals that are no chance; of a pace that was found twice as many, so that it is not given up lightly.
        worth: share of refused calls from which on a slower pace pays,
        chance: and above which no chance refuses them.
        no_rarer: share of the refusals before the last cut; more than this show that the cut made them no rarer,
        chance_for: and for so many seconds only more than `chance` lower the pace again.
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
