"""Counts how many different words there are among many, in eight bytes for each different word."""

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_FEWEST = 1 << 15  # words that are merged into the sorted array together at least


class Distinct:
    """Counts words by hashes of 64 bits; among ten million words two of one hash are improbable.

    The hash is that of the word's UTF-8 bytes. Python hashes a string as it lies in memory, where "of" and the
    character U+666F have the same bytes.
    """

    def __init__(self) -> None:
        self._known: NDArray[np.int64] = np.zeros(0, np.int64)
        self._new: array[int] = array("q")
        self._all = 0

    def add(self, words: Iterable[str]) -> None:
        """Add words to the count."""
        self._new.extend(hash(word.encode()) for word in words)
        if len(self._new) >= max(_FEWEST, len(self._known) // 4):
            self._merge()

    def share(self) -> float:
        """Return the number of different words over the number of all words; 0 if there are none."""
        self._merge()
        return len(self._known) / max(1, self._all)

    def _merge(self) -> None:
        if not self._new:
            return
        self._all += len(self._new)
        self._known = np.union1d(self._known, np.frombuffer(self._new, np.int64))
        self._new = array("q")
