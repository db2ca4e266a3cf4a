"""Whether a source, and not a server, sets the pace, since only so many of its rows may be open.

The clock measures it, so it decides nothing: it is told to whoever may let more rows be open.
"""

import math
from collections.abc import Iterable

from dataflow.core.source import Source
from dataflow.flow.counts import Counts
from dataflow.pools.pool import Pool

_FULL = 0.9
"""Of a server's places: where so many are in use somewhere, that server sets the pace."""

_WORTH_SAYING = 0.1  # of the run's time
_ROUND = 64


def note_wait(source: Source | None, pools: Iterable[Pool], counts: Counts, seconds: float) -> None:
    """The runner had nothing to do but to wait so long.

    Args:
        source: of the rows; None: they come from a file.
        pools: of the workers.
        counts: of the run, which take it if the source held rows back.
        seconds: of the wait.
    """
    rows = 0 if source is None else source.open_at_most
    uses = [pool.use for pool in pools if not pool.pause]
    if rows and uses and max(uses) < _FULL:
        counts.held_rows = rows
        counts.held_seconds += seconds
        counts.held_use += seconds * max(uses)


def describe_wait(counts: Counts, seconds: float) -> list[str]:
    """The same for people; nothing where it hardly happened.

    Args:
        counts: of the run.
        seconds: of the whole run.
    """
    if counts.held_seconds < _WORTH_SAYING * seconds:
        return []
    share, use = counts.held_seconds / seconds, counts.held_use / counts.held_seconds
    idle = share * (1 - use)  # of all that the busiest server could do
    more = max(2.0, 1 / max(0.01, 1 - idle))
    try_next = math.ceil(round(counts.held_rows * more / _ROUND, 3)) * _ROUND
    return [
        f"{share:.0%} of the time servers had free places and no row could be begun beside the"
        f" {counts.held_rows:,} open ones: try ahead={try_next}"
    ]
