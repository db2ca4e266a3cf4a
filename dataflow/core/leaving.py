"""How a process ends whose run was stopped: soon, whatever its threads still do.

At its end Python waits for every thread that is no daemon, those of a ThreadPoolExecutor among them: for one that
downloads or loads 24 GB of weights, or draws a picture nobody waits for any more. Nothing ends a thread from outside,
and a daemon in C++ code takes the process down with SIGABRT when the interpreter goes away. So a process that was
stopped leaves without its threads, by `os._exit`. Journal and files are closed by then, and the processes of workers
end with the driver. What others registered with `atexit` still has a few seconds. An `Interrupted` that a script does
not catch is its message and its exit code, as in our own commands; so is an error of a run that its user must act on.
"""

import atexit
import concurrent.futures.thread  # noqa: F401 - its own function is registered first, so that it runs after ours
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

_THREADS_END = 0.5  # seconds that Python may wait for threads: after the last words the prompt is back within one
_OTHERS_END = 3.0  # seconds for what was registered with `atexit`
_OF_THE_USER = (ConfigError, FatalAnswer, MaxCostReached, NotStored, StepFailed)  # where no line of code is wrong
_AT_ONCE = 0.2  # seconds for both, where somebody is in a hurry

_lock = threading.Lock()
_ending = threading.Event()
_threads_ended = threading.Event()
_leaves: tuple[int, bool] | None = None
_watched = False


def leave_soon(code: int, *, at_once: bool) -> None:
    """From now on Python has seconds from the last line of the script to the end of the process.

    Args:
        code: with which the process ends if it takes longer.
        at_once: it has a fifth of a second.
    """
    global _leaves, _watched
    with _lock:
        _say_in_one_line()
        _leaves = code, at_once
        if _watched:
            return
        _watched = True
    # Before Python waits for threads; `atexit` alone comes after. Private, and there since 3.9.
    getattr(threading, "_register_atexit", atexit.register)(_begin_to_end)
    atexit.register(_threads_ended.set)
    threading.Thread(target=_leave, name="dataflow-leaving", daemon=True).start()


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """Have an error of this block that the user must act on end a script without a traceback, if nothing catches it."""
    try:
        yield
    except _OF_THE_USER:
        _say_in_one_line()
        raise


def _say_in_one_line() -> None:
    if sys.excepthook is sys.__excepthook__:  # another one knows better what its user wants to see
        sys.excepthook = _say_what_stopped


def leave_with(code: int) -> None:
    """The script ends with this code, however long that takes."""
    global _leaves
    if _leaves is not None:
        _leaves = code, _leaves[1]


def stay() -> None:
    """Take it back: another run begins."""
    global _leaves
    _leaves = None


def end_at_the_next_signal() -> None:
    """Let a signal end the process as the system does: at once, and without a traceback."""
    if threading.current_thread() is threading.main_thread():
        for number in STOPS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, signal.SIG_DFL)


def _say_what_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, (Interrupted, *_OF_THE_USER)):
        sys.__excepthook__(kind, error, trace)
        return
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(f"\n{error}\n" if isinstance(error, Interrupted) else f"error: {error}\n")
    if isinstance(error, Interrupted) and not hasattr(sys, "ps1"):  # at a prompt the session goes on
        raise SystemExit(error.exit_code)


def _begin_to_end() -> None:
    """Runs in the main thread, after the last line of the script."""
    if _leaves is None:
        return
    end_at_the_next_signal()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it any more
            stream.flush()
    _ending.set()


def _leave() -> None:
    _ending.wait()
    if _leaves is not None:
        code, at_once = _leaves
        if _threads_ended.wait(_AT_ONCE if at_once else _THREADS_END) and not at_once:
            time.sleep(_OTHERS_END)
        os._exit(code)
