"""The pictures encoded last, shared by all threads: an input used by many rows is encoded once."""

import threading
from collections import OrderedDict


class Recent:
    """(path, mtime in ns, size in bytes) → MIME type and encoded bytes, at most `limit` bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._made: OrderedDict[tuple[str, int, int], tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int, int]) -> tuple[str, bytes] | None:
        """What was made of this state of this file, if it is still held."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
            return self._made.get(key)

    def put(self, key: tuple[str, int, int], made: tuple[str, bytes]) -> None:
        """Hold it, and drop what was used longest ago."""
        with self._lock:
            if key not in self._made:
                self._made[key] = made
                self._held += len(made[1])
            while self._held > self._limit:
                _, (_, data) = self._made.popitem(last=False)
                self._held -= len(data)
