"""Draws that follow from a key alone, and that stay the same in every version of Python and of any library."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Draw:
    """A sequence of draws; two objects with equal keys draw the same.

    Args:
        key: values, such as a seed and the name of a picture, whose texts decide the draws.
    """

    def __init__(self, *key: object) -> None:
        self._key = "/".join(map(str, key)).encode()
        self._drawn = 0

    def pick(self, options: Sequence[_T]) -> _T:
        """Draw one of the options; there must be at least one."""
        self._drawn += 1
        digest = hashlib.blake2b(self._key + self._drawn.to_bytes(4), digest_size=8).digest()
        return options[int.from_bytes(digest) % len(options)]

    def sample(self, options: Sequence[_T], count: int) -> list[_T]:
        """Draw `count` different options, or all if there are fewer; they keep the order of `options`."""
        remaining = list(range(len(options)))
        chosen = []
        for _ in range(min(count, len(remaining))):
            index = self.pick(remaining)
            remaining.remove(index)
            chosen.append(index)
        return [options[index] for index in sorted(chosen)]
