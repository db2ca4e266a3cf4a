"""Answers on their way from the event loop's thread to the thread that runs the step.

Not `queue.SimpleQueue`: up to CPython 3.12.1 its `get(timeout=...)` waits without end when a signal arrives and the
thread gets the interpreter's lock back only after the deadline, as while torch is imported. The timeout of a lock, on
which `threading.Event` rests, is right about that. The lock is for waiting alone: taking what is there needs none.
"""

import threading
from collections import deque
from collections.abc import Iterator

from dataflow.core.records import Answer


class Arrivals:
    """What has arrived, in order; any thread may put, one thread waits and takes."""

    def __init__(self) -> None:
        self._items: deque[tuple[str, Answer] | None] = deque()
        self._something = threading.Event()

    def put(self, request_id: str, answer: Answer) -> None:
        """Hand over an answer."""
        self._put((request_id, answer))

    def wake(self) -> None:
        """End the wait, or the taking, of the other thread, which is to look at something else."""
        self._put(None)

    def _put(self, item: tuple[str, Answer] | None) -> None:
        self._items.append(item)
        if not self._something.is_set():  # setting an event costs ten times as much as looking at it
            self._something.set()

    def wait(self, seconds: float) -> None:
        """Return when there is something to take, and after so many seconds at the latest."""
        self._something.clear()  # before the look at the items: what is put after it sets the event again
        if not self._items:
            self._something.wait(seconds)

    def take(self) -> Iterator[tuple[str, Answer]]:
        """All that has arrived, up to a `wake`."""
        while self._items and (item := self._items.popleft()) is not None:
            yield item

    def take_all(self) -> Iterator[tuple[str, Answer]]:
        """All that has arrived, whatever else there is to look at."""
        while self._items:
            if (item := self._items.popleft()) is not None:
                yield item
