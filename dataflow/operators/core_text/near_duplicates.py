"""Finds texts that say nearly the same, in English and Chinese, whatever their number.

MinHash over three tokens in a row (Broder 1997) with banding: 64 hashes tell a similarity to within some
0.06, and 16 bands of 4 find nearly all pairs at 0.7 and above. A text costs half a KB of memory, so tables
are numpy's: Python's own would take 3 KB. The library for it, datasketch, would bring scipy along.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
        self._first = _FirstByKey()

    def most_similar(self, text: Signature) -> float:
        """The highest similarity to a kept text; below 0.5 it may be taken for 0."""
        found = self._first.find(_bands(text))
        return float((self._kept[found] == text).mean(axis=1).max()) if found.size else 0.0

    def keep(self, text: Signature) -> None:
        """Compare further texts with this one too."""
        if self._count == len(self._kept):
            self._kept = np.concatenate([self._kept, np.zeros_like(self._kept)])
        self._kept[self._count] = text
        self._first.put(_bands(text), self._count)
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


class _FirstByKey:
    """Which number came first under a 64-bit key; open addressing, at most half full."""

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.zeros(4096, np.uint64)  # 0: free
        self._numbers: NDArray[np.uint32] = np.zeros(4096, np.uint32)
        self._count = 0

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """The numbers under the keys, those of several keys several times."""
        found = []
        places = self._places(keys)
        while keys.size:
            held = self._keys[places]
            found.append(self._numbers[places[held == keys]])
            going = (held != keys) & (held != 0)
            keys, places = keys[going], self._next(places[going])
        return np.concatenate(found)

    def put(self, keys: NDArray[np.uint64], number: int) -> None:
        """Remember a number under each key that has none."""
        if 2 * (self._count + keys.size) > self._keys.size:
            self._grow()
        self._insert(keys, np.full(keys.size, number, np.uint32))

    def _insert(self, keys: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> None:
        places = self._places(keys)
        while keys.size:
            free = self._keys[places] == 0
            self._count += int(free.sum())  # one too many where two want the same place
            # Where several want one place the last one has it; the others see that below and go on.
            self._keys[places[free]], self._numbers[places[free]] = keys[free], numbers[free]
            lost = self._keys[places] != keys
            keys, numbers, places = keys[lost], numbers[lost], self._next(places[lost])

    def _grow(self) -> None:
        held = self._keys != 0
        keys, numbers, size = self._keys[held], self._numbers[held], 2 * self._keys.size
        self._keys, self._numbers, self._count = np.zeros(size, np.uint64), np.zeros(size, np.uint32), 0
        self._insert(keys, numbers)

    def _places(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return (keys >> np.uint64(20)) & np.uint64(self._keys.size - 1)

    def _next(self, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return (places + np.uint64(1)) & np.uint64(self._keys.size - 1)


def _bands(text: Signature) -> NDArray[np.uint64]:
    """A key per band: its four numbers and its place, mixed; never 0."""
    packed = text.reshape(_BANDS, -1).view(np.uint64).ravel()
    mixed: NDArray[np.uint64] = (packed ^ _OFFSETS[:_BANDS]) * _FACTORS[:_BANDS]
    return (mixed ^ (mixed >> np.uint64(32))) | np.uint64(1)
