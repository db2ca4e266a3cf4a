"""What was made last, within a number of bytes and shared by all threads: made once, used by many rows."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Values by key; those used longest ago are dropped when all together take more than so many bytes.

    Args:
        limit: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._made: OrderedDict[Key, tuple[Made, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Made | None:
        """The value, which counts as used; None if it is not held, or not any more."""
        with self._lock:
            if key not in self._made:
                return None
            self._made.move_to_end(key)
            return self._made[key][0]

    def put(self, key: Key, made: Made, size: int) -> None:
        """Hold a value of `size` bytes; one that is held already stays, one larger than the limit is not held."""
        with self._lock:
            if key in self._made or size > self.limit:
                return
            self._made[key] = made, size
            self._held += size
            while self._held > self.limit:
                self._held -= self._made.popitem(last=False)[1][1]
