"""Counts rows that ask the same, within one pass over a source.

A wave is known by 8 bytes of its digest; should two of ten million differ and agree in them (1 in 370,000
passes), one of these rows merely gets another id.
"""

from collections.abc import Sequence

from dataflow.core.key_table import KeyTable


class Twins:
    """How often each first wave has been seen.

    Args:
        apart: whether a row that asks what an earlier one asked gets an answer of its own; else they share one.
    """

    def __init__(self, *, apart: bool = True) -> None:
        self._apart = apart
        self._seen = KeyTable()
        self._again: dict[int, int] = {}  # waves seen more than once → times

    def earlier(self, waves: Sequence[bytes]) -> list[int]:
        """For each wave, how many rows had the same before it; counts it.

        Args:
            waves: digests of at least 8 bytes, in input order.
        """
        if not self._apart:
            return [0] * len(waves)
        counts = []
        for wave in waves:
            key = int.from_bytes(wave[:8]) or 1
            if self._seen.put(key) is None:
                counts.append(0)
            else:
                counts.append(self._again.get(key, 1))
                self._again[key] = counts[-1] + 1
        return counts
