"""The process's one event loop, in a thread of its own.

`run()` of an operator submits to it and waits, so it works in a notebook (which has a loop of its
own), steps may overlap, and connections and limits outlive a step. The thread is a daemon: it
never keeps a script from ending.

Its clock stands still while the process does (Ctrl-Z, a virtual machine that is paused): what has arrived meanwhile is
read before anything on the loop times out. So is what waits because another thread keeps the interpreter's lock.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from selectors import SelectorKey
from typing import TypeVar

T = TypeVar("T")

_LOOK = 1.0  # seconds between two looks at the clock
_LATE = 1.0  # seconds more than that: the process stood still, and nobody knows in which part of them

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


class _Selector(selectors.DefaultSelector):
    """Waits for the loop, and notices when that took longer than it can.

    Attributes:
        lost: seconds in which the process stood still.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0.0
        self._looked_at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What is ready; after a second at the latest, where something has its time."""
        self._look(0.0)
        wait = None if timeout is None else min(timeout, _LOOK)
        ready = super().select(wait)
        self._look(wait)
        return ready

    def _look(self, longest: float | None) -> None:
        now = time.monotonic()
        passed, self._looked_at = now - self._looked_at, now
        if longest is not None and passed > max(0.0, longest) + _LATE:
            self.lost += passed


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose clock leaves out what its selector has lost."""

    def __init__(self, selector: _Selector) -> None:
        self._watched = selector
        super().__init__(selector)

    def time(self) -> float:
        """Seconds in which the process ran."""
        return super().time() - self._watched.lost


def event_loop() -> asyncio.AbstractEventLoop:
    """The running loop; started at the first call."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = _Loop(_Selector())
            threading.Thread(target=_loop.run_forever, name="dataflow-loop", daemon=True).start()
        return _loop


def submit(coroutine: Coroutine[object, object, T]) -> "Future[T]":
    """Run a coroutine on the loop; the future is for another thread to wait on."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
