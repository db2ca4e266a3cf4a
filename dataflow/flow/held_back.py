"""Measures how long a source, and not a server, limits the speed of a run, because only so many rows may be open.

The measurement depends on the clock, so nothing is decided by it: the summary tells the user, who may allow more rows.
"""

import math
from collections.abc import Iterable

from dataflow.core.source import Source
from dataflow.flow.counts import Counts
from dataflow.pools.pool import Pool

_FULL = 0.9
"""Share of a server's places: if so many are in use, the server limits the speed and not the source."""

_WORTH_SAYING = 0.1  # share of the run's time
_ROUND = 64  # a suggested number of rows is a multiple of it


def note_wait(source: Source | None, pools: Iterable[Pool], counts: Counts, seconds: float) -> None:
    """Note a time in which the runner had nothing to do but to wait for answers.

    Args:
        source: of the rows; None: they come from a file.
        pools: of the workers.
        counts: the figures of the run, to which the time is added if the source held rows back.
        seconds: how long the runner waited.
    """
    rows = 0 if source is None else source.open_at_most
    uses = [pool.use for pool in pools if not pool.pause]
    if rows and uses and max(uses) < _FULL:
        counts.held_rows = rows
        counts.held_seconds += seconds
        counts.held_use += seconds * max(uses)


def describe_wait(counts: Counts, seconds: float) -> list[str]:
    """A sentence on how long the source held rows back, with a number to try; none if it was below a tenth of the time.

    Args:
        counts: the figures of the run.
        seconds: how long the whole run took.
    """
    if counts.held_seconds < _WORTH_SAYING * seconds:
        return []
    share, use = counts.held_seconds / seconds, counts.held_use / counts.held_seconds
    idle = share * (1 - use)  # share of the run in which the busiest server had free places
    more = max(2.0, 1 / max(0.01, 1 - idle))
    try_next = math.ceil(round(counts.held_rows * more / _ROUND, 3)) * _ROUND
    return [
        f"{share:.0%} of the time servers had free places and no row could be begun beside the"
        f" {counts.held_rows:,} open ones: try ahead={try_next}"
    ]
