"""Chance that follows from a key alone, without a library that could change how it draws."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Draw:
    """Draws from lists; equal keys draw equally."""

    def __init__(self, *key: object) -> None:
        self._key = "/".join(map(str, key)).encode()
        self._drawn = 0

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the options, of which there is at least one."""
        self._drawn += 1
        digest = hashlib.blake2b(self._key + self._drawn.to_bytes(4), digest_size=8).digest()
        return options[int.from_bytes(digest) % len(options)]

    def sample(self, options: Sequence[_T], count: int) -> list[_T]:
        """So many different options, in their own order."""
        left = list(range(len(options)))
        chosen = []
        for _ in range(min(count, len(left))):
            place = self.pick(left)
            left.remove(place)
            chosen.append(place)
        return [options[place] for place in sorted(chosen)]
