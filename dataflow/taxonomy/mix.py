"""A mix of operations, shared out over a row of names."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from dataflow.errors import ConfigError


def interleaved(shares: Mapping[str, float]) -> Iterator[str]:
    """An endless row of names in which the first n, for every n, are shared out as evenly as can be.

    Source: Webster's method (Sainte-Laguë): the next is the one with the highest share / (2 * given + 1). Where
    n times every share is a whole number these are the counts; more rows later only add to those before.
    """
    line = [(1 / share, order, name, 0) for order, (name, share) in enumerate(shares.items())]
    heapq.heapify(line)
    while True:
        _, order, name, given = line[0]
        yield name
        heapq.heapreplace(line, ((2 * given + 3) / shares[name], order, name, given + 1))


def read_mix(text: str) -> dict[str, float]:
    """A mix as a flag says it: `recolour=2,remove=1`.

    Raises:
        ConfigError: it is said otherwise.
    """
    parts = [each.partition("=") for each in text.split(",")]
    try:
        return {name.strip(): float(part) for name, _, part in parts}
    except ValueError:
        raise ConfigError(f"the mix is {text!r}: say operation or group = part, such as recolour=2,remove=1") from None


def counts_of(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """How many of a total are of each name, by the same method."""
    given = Counter(islice(interleaved(shares), total))
    return {name: given[name] for name in shares}
