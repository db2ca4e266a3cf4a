"""Ends a process whose run was stopped within seconds, whatever its threads still do.

At its end Python waits for every thread that is no daemon, those of a ThreadPoolExecutor included: for a thread that
downloads or loads 24 GB of weights, or draws a picture that no run waits for any more. Nothing ends a thread from
outside, and a daemon thread in C++ code takes the process down with SIGABRT when the interpreter is finalised. So a
process whose run was stopped exits by `os._exit`, without its threads. Its journal and files are closed by then, and
the processes of workers end with the driver. Functions that were registered with `atexit` get a few seconds.

An `Interrupted` that a script does not catch prints one line and sets the exit code, as in our own commands; an error
that the user must act on prints one line too, without a traceback.
"""

import atexit
import concurrent.futures.thread  # noqa: F401 - registers its exit function before ours, so that it runs after ours
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from dataflow.errors import ConfigError, FatalAnswer, Interrupted, MaxCostReached, NotStored, StepFailed

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_THREADS_END = 0.5  # seconds that Python may wait for threads, so that the prompt is back within a second
_OTHERS_END = 3.0  # seconds that functions registered with `atexit` may take
_AT_ONCE = 0.2  # seconds for both together, after a second signal
_OF_THE_USER = (ConfigError, FatalAnswer, MaxCostReached, NotStored, StepFailed)  # a traceback helps nobody

_lock = threading.Lock()
_ending = threading.Event()
_threads_ended = threading.Event()
_leaves: tuple[int, bool] | None = None  # the exit code and whether to exit at once; None: Python ends as always
_watched = False  # whether the thread that ends the process runs


def leave_soon(code: int, *, at_once: bool) -> None:
    """Give the process a few seconds between the last line of its script and its end.

    Args:
        code: the exit code if the process does not end by itself within them.
        at_once: give it a fifth of a second instead.
    """
    global _leaves, _watched
    with _lock:
        _say_in_one_line()
        _leaves = code, at_once
        if _watched:
            return
        _watched = True
    # `_register_atexit`, private and there since Python 3.9, runs before Python waits for threads, `atexit` after that.
    getattr(threading, "_register_atexit", atexit.register)(_begin_to_end)
    atexit.register(_threads_ended.set)
    threading.Thread(target=_leave, name="dataflow-leaving", daemon=True).start()


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """A context manager: an uncaught error that the user must act on ends the script without a traceback."""
    try:
        yield
    except _OF_THE_USER:
        _say_in_one_line()
        raise


def _say_in_one_line() -> None:
    if sys.excepthook is sys.__excepthook__:  # a hook of somebody else's stays
        sys.excepthook = _say_what_stopped


def leave_with(code: int) -> None:
    """Set the exit code of a process that `leave_soon` ends."""
    global _leaves
    if _leaves is not None:
        _leaves = code, _leaves[1]


def stay() -> None:
    """Undo `leave_soon`, because another run begins."""
    global _leaves
    _leaves = None


def end_at_the_next_signal() -> None:
    """Let the system handle the signals that stop runs: they end the process at once, without a traceback."""
    if threading.current_thread() is threading.main_thread():
        for number in STOPS:
            if signal.getsignal(number) != signal.SIG_IGN:  # under nohup SIGHUP stays ignored
                signal.signal(number, signal.SIG_DFL)


def _say_what_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, (Interrupted, *_OF_THE_USER)):
        sys.__excepthook__(kind, error, trace)
        return
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(f"\n{error}\n" if isinstance(error, Interrupted) else f"error: {error}\n")
    if isinstance(error, Interrupted) and not hasattr(sys, "ps1"):  # at Python's prompt the session goes on
        raise SystemExit(error.exit_code)


def _begin_to_end() -> None:
    """Let the time run from now on; Python calls this in the main thread after the last line of the script."""
    if _leaves is None:
        return
    end_at_the_next_signal()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # the stream is missing, or its reader is gone
            stream.flush()
    _ending.set()


def _leave() -> None:
    """End the process when its time is over; runs in a thread of its own."""
    _ending.wait()
    if _leaves is not None:
        code, at_once = _leaves
        if _threads_ended.wait(_AT_ONCE if at_once else _THREADS_END) and not at_once:
            time.sleep(_OTHERS_END)
        os._exit(code)
