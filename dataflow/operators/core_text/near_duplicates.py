"""Finds texts that say nearly the same, in English and Chinese, whatever their number.

MinHash over three tokens in a row (Broder 1997) with banding: 64 hashes tell a similarity to within some
0.06, and 16 bands of 4 find nearly all pairs at 0.7 and above. A text costs half a KB of memory, where Python's
own tables would take 3 KB. The library for it, datasketch, would bring scipy along.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataflow.core.key_table import KeyTable

_TOKEN = re.compile(r"[一-鿿]|[^\W一-鿿]+")
_HASHES, _BANDS, _IN_A_ROW = 64, 16, 3
_COMPARED = 2048  # texts of which the nearest neighbours are looked for

Signature = NDArray[np.uint16]


def tokens(text: str) -> list[str]:
    """Its words in lower case; a Chinese character counts as one."""
    return _TOKEN.findall(text.lower())


def _digests(values: Sequence[str]) -> NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(value.encode(), digest_size=8).digest() for value in values)
    return np.frombuffer(joined, dtype="<u8")


_FACTORS = _digests([f"factor {number}" for number in range(_HASHES)]) | np.uint64(1)
_OFFSETS = _digests([f"offset {number}" for number in range(_HASHES)])


def signature(text: str) -> Signature:
    """64 numbers; two texts agree in that share of them which their runs of three tokens have in common."""
    words = tokens(text)
    runs = {" ".join(words[at : at + _IN_A_ROW]) for at in range(max(1, len(words) - _IN_A_ROW + 1))}
    hashed = _digests(sorted(runs))
    spread = hashed[:, None] * _FACTORS + _OFFSETS  # modulo 2**64
    smallest: NDArray[np.uint64] = (spread >> np.uint64(32)).min(axis=0)
    return smallest.astype(np.uint16)  # its lower half: different ones agree once in 65,536


class NearDuplicates:
    """The texts kept so far, by signature.

    A band knows only the first text that had it, so that no text is compared with thousands that share a phrase.
    """

    def __init__(self) -> None:
        self._kept: NDArray[np.uint16] = np.zeros((256, _HASHES), np.uint16)
        self._count = 0
        self._first = KeyTable(numbered=True)

    def most_similar(self, text: Signature) -> float:
        """The highest similarity to a kept text; below 0.5 it may be taken for 0."""
        found = {number for key in _bands(text) if (number := self._first.get(key)) is not None}
        return float((self._kept[list(found)] == text).mean(axis=1).max()) if found else 0.0

    def keep(self, text: Signature) -> None:
        """Compare further texts with this one too."""
        if self._count == len(self._kept):
            self._kept = np.concatenate([self._kept, np.zeros_like(self._kept)])
        self._kept[self._count] = text
        for key in _bands(text):
            self._first.put(key, self._count)
        self._count += 1

    def neighbours(self) -> list[float]:
        """For each of the first 2,048 kept texts, its similarity to the nearest other one of them, rising."""
        if self._count <= 1:
            return []
        table = self._kept[: min(self._count, _COMPARED)]
        nearest = []
        for at, row in enumerate(table):
            common = (table == row).mean(axis=1)
            common[at] = 0
            nearest.append(float(common.max()))
        return sorted(nearest)


def _bands(text: Signature) -> list[int]:
    """A key per band: its four numbers and its place, mixed; never 0."""
    packed = text.reshape(_BANDS, -1).view(np.uint64).ravel()
    mixed: NDArray[np.uint64] = (packed ^ _OFFSETS[:_BANDS]) * _FACTORS[:_BANDS]
    keys: list[int] = ((mixed ^ (mixed >> np.uint64(32))) | np.uint64(1)).tolist()
    return keys
