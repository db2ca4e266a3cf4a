"""What happens when the disk does not take an answer: the answer is held in memory and written again for a minute.

The answer is paid, so the minute is worth it: a user who frees space or mounts the disk again within it loses nothing.
"""

import asyncio
import errno
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dataflow.core.notebook import same_again
from dataflow.errors import ConfigError, NotStored
from dataflow.utils.open_files import OUT_OF_FILES, more_files

log = logging.getLogger(__name__)
T = TypeVar("T")

HOLD_SECONDS = 60.0
_TRIES = 60  # within HOLD_SECONDS
_WARNING_SECONDS = 30.0  # between two warnings
_PASSING = OUT_OF_FILES | frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE))
_warned_at = float("-inf")  # on the monotonic clock


def may_pass(error: OSError) -> bool:
    """Whether writing again may succeed: the user can free space, mount the disk or raise a limit (`prlimit`)."""
    return error.errno in _PASSING


def _why(error: OSError) -> str:
    return f"cannot write {error.filename or 'to the disk'}: {error.strerror or error}"


def _fix(error: OSError) -> str:
    """What the user can do about the error."""
    if error.errno in OUT_OF_FILES:
        return more_files()
    if error.errno == errno.ENOSPC and error.filename and not files_left(str(error.filename)):
        return "delete some files, since the disk takes no more of them (df -i)"
    return "free some space, or write elsewhere"


def files_left(path: str) -> float:
    """How many more files the disk of this path takes; infinite where the file system does not say."""
    disk = os.statvfs(nearest_folder(path))
    return disk.f_favail if disk.f_files else math.inf


def not_stored(error: OSError, path: Path | None = None) -> NotStored:
    """The error to raise for a write that failed, with the operating system's error as its cause.

    Args:
        error: of the operating system.
        path: what was written; named where `error` names no file.
    """
    if error.filename is None and path is not None:
        error.filename = str(path)
    not_stored_error = NotStored(f"{_why(error)}; {_fix(error)}, then run {same_again()} again")
    not_stored_error.__cause__ = error
    return not_stored_error


def cannot_begin(error: OSError, folder: Path) -> ConfigError:
    """The error to raise where a cache directory cannot be opened, before anything was spent.

    Args:
        error: of the operating system.
        folder: named where `error` names no file.
    """
    passes = error.errno in (errno.ENOSPC, errno.EDQUOT, *OUT_OF_FILES)
    fix = _fix(error) if passes else "choose a cache_path you may write"
    return ConfigError(f"cannot write {error.filename or folder} ({error.strerror}): {fix}")


def warn_of_held(error: OSError) -> None:
    """Warn that answers wait in memory, at most once in 30 seconds."""
    global _warned_at
    if time.monotonic() - _warned_at > _WARNING_SECONDS:
        _warned_at = time.monotonic()
        log.warning("%s; finished answers wait in memory and are written again for %.0f s", _why(error), HOLD_SECONDS)


async def until_stored(store: Callable[[], T], *, here: bool = False, seconds: float = HOLD_SECONDS) -> T:
    """Call `store` until the disk takes what it writes.

    Args:
        store: writes an answer, in a thread; must be safe to call again after an OSError.
        here: make the first call on the event loop itself, because `store` is quick.
        seconds: after which the answer is given up.

    Returns:
        What `store` returned.

    Raises:
        NotStored: the disk did not take it within this time, or its error is none that can pass.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return store() if here else await asyncio.to_thread(store)
        except OSError as error:
            if not may_pass(error) or loop.time() >= deadline:
                raise not_stored(error) from error
            warn_of_held(error)
        here = False
        await asyncio.sleep(seconds / _TRIES)


def nearest_folder(path: str) -> str:
    """The path itself if it exists, else the closest folder above it that does."""
    folder = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - a str stays one
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder
