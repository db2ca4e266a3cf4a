"""The queue of answers from the thread of the event loop to the thread that runs the step.

It is no `queue.SimpleQueue`: up to CPython 3.12.1 its `get(timeout=...)` waits without end if a signal arrives and the
thread gets the interpreter's lock back only after the deadline, as while torch is imported. `threading.Event` does not
have this fault. The event is used for waiting alone; taking what is there needs no lock.
"""

import threading
from collections import deque
from collections.abc import Iterator

from dataflow.core.records import Answer


class Arrivals:
    """Answers in the order in which they arrived; any thread may put, only one thread waits and takes."""

    def __init__(self) -> None:
        self._items: deque[tuple[str, Answer] | None] = deque()
        self._something = threading.Event()

    def put(self, request_id: str, answer: Answer) -> None:
        """Put an answer, by the id of its request."""
        self._put((request_id, answer))

    def wake(self) -> None:
        """End the current `wait` or `take` of the reading thread, so that it looks at signals and counts."""
        self._put(None)

    def _put(self, item: tuple[str, Answer] | None) -> None:
        self._items.append(item)
        if not self._something.is_set():  # setting an event costs ten times as much as looking at it
            self._something.set()

    def wait(self, seconds: float) -> None:
        """Wait until there is something to take, for so many seconds at most."""
        self._something.clear()  # before the items are looked at: an answer that is put after that sets the event again
        if not self._items:
            self._something.wait(seconds)

    def take(self) -> Iterator[tuple[str, Answer]]:
        """Take the answers that have arrived, up to a `wake`; each with the id of its request."""
        while self._items and (item := self._items.popleft()) is not None:
            yield item

    def take_all(self) -> Iterator[tuple[str, Answer]]:
        """Take all answers that have arrived, past every `wake`."""
        while self._items:
            if (item := self._items.popleft()) is not None:
                yield item
