"""The one event loop of the process, in a thread of its own.

`run()` of an operator submits coroutines to it and waits. So `run()` works in a notebook, which has a loop of its own;
steps may overlap; connections and limits outlive a step. The thread is a daemon and never keeps a script from ending.

The clock of the loop stands still while the process does (Ctrl-Z, a paused virtual machine): replies that have arrived
meanwhile are read before a request times out. The clock also leaves out the time in which another thread keeps the
interpreter's lock for more than a second.
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
_LATE = 1.0  # seconds: a look that is so much too late shows that the process stood still

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


class _Selector(selectors.DefaultSelector):
    """A selector that notices when a wait, or the code between two waits, took impossibly long.

    Attributes:
        lost: seconds in which the process stood still, which the clock of the loop leaves out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0.0
        self._looked_at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """The files that are ready; waits a second at most, or without end if no timer is set."""
        self._look(0.0)
        wait = None if timeout is None else min(timeout, _LOOK)
        ready = super().select(wait)
        self._look(wait)
        return ready

    def _look(self, longest: float | None) -> None:
        """Add the time since the last look to `lost` if it is a second more than `longest`; None: any time is fine."""
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
        """The monotonic clock without the seconds in which the process stood still."""
        return super().time() - self._watched.lost


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop, which runs; the first call starts it."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = _Loop(_Selector())
            threading.Thread(target=_loop.run_forever, name="dataflow-loop", daemon=True).start()
        return _loop


def submit(coroutine: Coroutine[object, object, T]) -> "Future[T]":
    """Run a coroutine on the loop; another thread may wait for the future."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
