"""Counts rows that ask the same, within one pass over a source.

A table of 8 bytes a row with open addressing: 16 MB for a million rows, where a set of digests would
take 100. A wave is known by 8 bytes of its digest; should two of ten million differ and agree in them
(1 in 370,000 passes), one of these rows merely gets another id.
"""

from array import array
from collections.abc import Sequence

_FIRST_SLOTS = 1 << 12


class Twins:
    """How often each first wave has been seen."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._used = 0
        self._again: dict[int, int] = {}  # waves seen more than once → times

    def earlier(self, waves: Sequence[bytes]) -> list[int]:
        """For each wave, how many rows had the same before it; counts it.

        Args:
            waves: digests of at least 8 bytes, in input order.
        """
        if (self._used + len(waves)) * 3 > len(self._slots) * 2:
            self._grow(len(waves))
        counts = []
        for wave in waves:
            key = int.from_bytes(wave[:8]) or 1  # 0 marks a free slot
            if self._insert(key):
                counts.append(0)
            else:
                counts.append(self._again.get(key, 1))
                self._again[key] = counts[-1] + 1
        return counts

    def _insert(self, key: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        at = key & mask
        while found := slots[at]:
            if found == key:
                return False
            at = (at + 1) & mask
        slots[at] = key
        self._used += 1
        return True

    def _grow(self, more: int) -> None:
        old, size = self._slots, len(self._slots)
        while (self._used + more) * 3 > size * 2:
            size *= 2
        self._slots, self._used = array("Q", bytes(8 * size)), 0
        for key in old:
            if key:
                self._insert(key)
