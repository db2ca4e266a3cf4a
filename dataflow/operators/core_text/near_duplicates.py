"""Finds texts in English and Chinese that say nearly the same, among any number of texts.

The method is MinHash over runs of three tokens (Broder 1997) with banding. 64 hashes tell a similarity to within about
0.06, and 16 bands of 4 hashes find nearly all pairs with a similarity of 0.7 and above. A text takes half a KB of
memory; in Python's own tables it would take 3 KB. The library datasketch does the same, but depends on scipy.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataflow.core.key_table import KeyTable

_TOKEN = re.compile(r"[一-鿿]|[^\W一-鿿]+")
_HASHES, _BANDS, _IN_A_ROW = 64, 16, 3
_COMPARED = 2048  # texts whose nearest neighbours are looked for; the time grows with the square of this number

Signature = NDArray[np.uint16]


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case; each Chinese character is a word."""
    return _TOKEN.findall(text.lower())


def _digests(values: Sequence[str]) -> NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(value.encode(), digest_size=8).digest() for value in values)
    return np.frombuffer(joined, dtype="<u8")


_FACTORS = _digests([f"factor {number}" for number in range(_HASHES)]) | np.uint64(1)
_OFFSETS = _digests([f"offset {number}" for number in range(_HASHES)])


def signature(text: str) -> Signature:
    """Return the 64 MinHash numbers of a text.

    The share of numbers in which two signatures agree estimates the share of runs of three tokens that the two texts
    have in common (their Jaccard similarity).
    """
    words = tokens(text)
    runs = {" ".join(words[start : start + _IN_A_ROW]) for start in range(max(1, len(words) - _IN_A_ROW + 1))}
    hashed = _digests(sorted(runs))
    spread = hashed[:, None] * _FACTORS + _OFFSETS  # modulo 2**64
    smallest: NDArray[np.uint64] = (spread >> np.uint64(32)).min(axis=0)
    return smallest.astype(np.uint16)  # 16 bits save memory; two different minima agree once in 65,536


class NearDuplicates:
    """The signatures of the texts that were kept so far.

    For each value of a band only the first text with this value is stored, so that no text is compared with thousands
    of others that share a phrase.
    """

    def __init__(self) -> None:
        self._kept: NDArray[np.uint16] = np.zeros((256, _HASHES), np.uint16)
        self._count = 0
        self._first = KeyTable(numbered=True)

    def most_similar(self, text: Signature) -> float:
        """Return the highest similarity, 0 to 1, to a kept text; a similarity below 0.5 may be missed, and gives 0."""
        found = {number for key in _bands(text) if (number := self._first.get(key)) is not None}
        return float((self._kept[list(found)] == text).mean(axis=1).max()) if found else 0.0

    def keep(self, text: Signature) -> None:
        """Keep a text, so that later texts are compared with it."""
        if self._count == len(self._kept):
            self._kept = np.concatenate([self._kept, np.zeros_like(self._kept)])
        self._kept[self._count] = text
        for key in _bands(text):
            self._first.put(key, self._count)
        self._count += 1

    def neighbours(self) -> list[float]:
        """Return, for each of the first 2,048 kept texts, the similarity to the nearest of these, in rising order."""
        if self._count <= 1:
            return []
        table = self._kept[: min(self._count, _COMPARED)]
        nearest = []
        for index, row in enumerate(table):
            similarities = (table == row).mean(axis=1)
            similarities[index] = 0
            nearest.append(float(similarities.max()))
        return sorted(nearest)


def _bands(text: Signature) -> list[int]:
    """Return one key for each band, mixed of its four numbers and its index; a key is never 0."""
    packed = text.reshape(_BANDS, -1).view(np.uint64).ravel()
    mixed: NDArray[np.uint64] = (packed ^ _OFFSETS[:_BANDS]) * _FACTORS[:_BANDS]
    keys: list[int] = ((mixed ^ (mixed >> np.uint64(32))) | np.uint64(1)).tolist()
    return keys
