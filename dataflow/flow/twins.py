"""Counts twins, rows with the same first wave, within one pass over a source.

A wave is known by 8 bytes of its digest. Two different waves among ten million agree in these bytes once in 370,000
passes; then one of their rows merely gets another id.
"""

from collections.abc import Sequence

from dataflow.core.key_table import KeyTable


class Twins:
    """How many rows of the pass had each first wave so far.

    Args:
        apart: whether a later twin gets an answer of its own; else all twins share one answer.
    """

    def __init__(self, *, apart: bool = True) -> None:
        self._apart = apart
        self._seen = KeyTable()
        self._again: dict[int, int] = {}  # key of a wave that was seen more than once → times

    def earlier(self, waves: Sequence[bytes]) -> list[int]:
        """Count these waves.

        Args:
            waves: digests of the first waves of rows, at least 8 bytes each, in input order.

        Returns:
            For each wave, how many rows before it had the same one; all 0 where twins share their answer.
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
