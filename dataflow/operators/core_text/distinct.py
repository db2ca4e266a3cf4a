"""How many different words there are among many, in eight bytes for each."""

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_FEWEST = 1 << 15  # words that are put away together at least


class Distinct:
    """Counts words by hashes of 64 bits: of ten million two are hardly ever taken for one.

    Of their bytes, since Python hashes a string as it lies in memory, where "of" and the character U+666F are alike.
    """

    def __init__(self) -> None:
        self._known: NDArray[np.int64] = np.zeros(0, np.int64)
        self._new: array[int] = array("q")
        self._all = 0

    def add(self, words: Iterable[str]) -> None:
        """Count words in."""
        self._new.extend(hash(word.encode()) for word in words)
        if len(self._new) >= max(_FEWEST, len(self._known) // 4):
            self._put_away()

    def share(self) -> float:
        """Different words for each word; 0 of none."""
        self._put_away()
        return len(self._known) / max(1, self._all)

    def _put_away(self) -> None:
        if not self._new:
            return
        self._all += len(self._new)
        self._known = np.union1d(self._known, np.frombuffer(self._new, np.int64))
        self._new = array("q")
