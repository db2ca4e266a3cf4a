"""Mixes of operations: how a number of rows is divided among operations by their shares."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from dataflow.errors import ConfigError


def interleaved(shares: Mapping[str, float]) -> Iterator[str]:
    """Return an endless sequence of names whose first n elements, for every n, follow the shares as closely as can be.

    If n times every share is a whole number, these are the counts of the first n names.

    Source: Webster's method (Sainte-Laguë): the next name is that with the highest share / (2 * count + 1).
    """
    queue = [(1 / share, order, name, 0) for order, (name, share) in enumerate(shares.items())]
    heapq.heapify(queue)
    while True:
        _, order, name, count = queue[0]
        yield name
        heapq.heapreplace(queue, ((2 * count + 3) / shares[name], order, name, count + 1))


def read_mix(text: str) -> dict[str, float]:
    """Read a mix in the form of a flag, such as `recolour=2,remove=1`: operation or group → its part.

    Raises:
        ConfigError: the text has another form.
    """
    parts = [each.partition("=") for each in text.split(",")]
    try:
        return {name.strip(): float(part) for name, _, part in parts}
    except ValueError:
        raise ConfigError(f"the mix is {text!r}: say operation or group = part, such as recolour=2,remove=1") from None


def counts_of(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Divide a total number of rows among names, by the same method."""
    counts = Counter(islice(interleaved(shares), total))
    return {name: counts[name] for name in shares}
