"""A cache of values that many rows use, limited in bytes and shared by all threads: least recently used goes first."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Values by key; the least recently used are dropped while all values together take more bytes than the limit.

    Args:
        limit: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._made: OrderedDict[Key, tuple[Made, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Made | None:
        """The value under a key, which counts as used now; None if it was never put or was dropped."""
        with self._lock:
            if key not in self._made:
                return None
            self._made.move_to_end(key)
            return self._made[key][0]

    def put(self, key: Key, made: Made, size: int) -> None:
        """Hold a value, unless the key has one already or the value alone is larger than the limit.

        Args:
            key: of the value.
            made: the value.
            size: of the value, in bytes.
        """
        with self._lock:
            if key in self._made or size > self.limit:
                return
            self._made[key] = made, size
            self._held += size
            while self._held > self.limit:
                self._held -= self._made.popitem(last=False)[1][1]
