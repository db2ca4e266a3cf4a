"""The lengths of windows in which servers count calls: round numbers of seconds, minutes, or an hour.

A window that is found to have opened between two moments has a round length that fits between them, if there is one.
And a window that is full for the first time is asked around each moment at which one of a round length would open.
"""

from dataflow.pools.tuning import TUNING

LONGEST = 3600.0  # seconds of the longest window that is found
_ROUND = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600)  # seconds


def is_round(length: float) -> bool:
    """Say whether servers count in windows of so many seconds."""
    return length in _ROUND


def length_between(shortest: float, longest: float) -> float:
    """Choose the longest round length between two bounds, in seconds; the upper bound itself if none is between."""
    return max((float(length) for length in _ROUND if shortest <= length <= longest), default=longest)


def openings(since: float) -> list[float]:
    """List the times just before and just after which a window of each round length opens.

    Args:
        since: monotonic time, in seconds, at which the window began.
    """
    return [since + length + beside for length in _ROUND for beside in (-TUNING.beside, TUNING.grain / 2)]
