"""How many files and connections this process may have open: the limit is raised, and what it still refuses waited for.

macOS starts processes with 256, and each request in flight takes one. A file that cannot be opened now can be in a
moment, when a request has ended: nothing that was paid is thrown away for it.
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
_KEPT = 16  # for the files of a step, and for modules that are imported later
_TRIES = 100
_PAUSE = 0.1  # seconds


def connections_allowed() -> int:
    """How many connections may be opened beside what is open now, once the soft limit is as high as it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox that forbids it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    storing = min(32, (os.cpu_count() or 1) + 4)  # threads of the loop, with one file each
    opened = len(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths
    return _WANTED if soft == resource.RLIM_INFINITY else max(1, soft - opened - storing - _KEPT)


def when_one_is_free(work: Callable[[], T]) -> T:
    """What `work` returns, which opens a file; it runs again for some seconds while none can be opened.

    Raises:
        OSError: as `work` does.
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
    """What the user can do."""
    return f"allow more open files (ulimit -n, now {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}) or set max_workers"
