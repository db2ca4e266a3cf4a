"""The limit on open files and connections: raised as far as the system lets us, and waited for where it is reached.

macOS starts processes with a limit of 256, and each request in flight takes one descriptor. A file that cannot be
opened now can be opened once a request has ended, so an answer that was paid is not given up.
"""

import errno
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

OUT_OF_FILES = frozenset((errno.EMFILE, errno.ENFILE))
_WANTED = 10_240  # the most that macOS takes, whatever its hard limit. Source: OPEN_MAX in sys/syslimits.h
_KEPT = 16  # descriptors for the files of a step, and for modules that are imported later
_TRIES = 100
_PAUSE = 0.1  # seconds between two tries


def connections_allowed() -> int:
    """Raise the soft limit as far as possible, and return how many connections it allows beside what is open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    storing = min(32, (os.cpu_count() or 1) + 4)  # threads of the loop, with one file each
    opened = len(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths
    return _WANTED if soft == resource.RLIM_INFINITY else max(1, soft - opened - storing - _KEPT)


def when_one_is_free(work: Callable[[], T]) -> T:
    """Call `work`, which opens a file, until a file can be opened, for ten seconds at most; returns its result.

    Raises:
        OSError: `work` raised it for another reason, or no file could be opened in this time.
    """
    for _ in range(_TRIES):
        try:
            return work()
        except OSError as error:
            if error.errno not in OUT_OF_FILES:
                raise
        time.sleep(_PAUSE)
    return work()


def more_files() -> str:
    """What the user can do about the limit, for an error message."""
    return f"allow more open files (ulimit -n, now {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}) or set max_workers"
