"""The process's one event loop, in a thread of its own.

`run()` of an operator submits to it and waits, so it works in a notebook (which has a loop of its
own), steps may overlap, and connections and limits outlive a step. The thread is a daemon: it
never keeps a script from ending.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def event_loop() -> asyncio.AbstractEventLoop:
    """The running loop; started at the first call."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="dataflow-loop", daemon=True).start()
        return _loop


def submit(coroutine: Coroutine[object, object, T]) -> "Future[T]":
    """Run a coroutine on the loop; the future is for another thread to wait on."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
