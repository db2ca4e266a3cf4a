"""An answer in hand that the disk does not take: it is kept in memory and written again and again for a while.

What was paid is worth a minute of waiting. Who frees space, or mounts the disk again, within that time loses nothing.
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
_TRIES = 60
_TOLD_SECONDS = 30.0
_PASSING = OUT_OF_FILES | frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE))
_told_at = float("-inf")


def may_pass(error: OSError) -> bool:
    """Whether writing again can help: somebody may free space, mount the disk again or raise a limit (`prlimit`)."""
    return error.errno in _PASSING


def _why(error: OSError) -> str:
    return f"cannot write {error.filename or 'to the disk'}: {error.strerror or error}"


def _fix(error: OSError) -> str:
    if error.errno in OUT_OF_FILES:
        return more_files()
    if error.errno == errno.ENOSPC and error.filename and not files_left(str(error.filename)):
        return "delete some files, since the disk takes no more of them (df -i)"
    return "free some space, or write elsewhere"


def files_left(path: str) -> float:
    """How many files the disk of this path takes yet; endless where it does not tell."""
    disk = os.statvfs(nearest_folder(path))
    return disk.f_favail if disk.f_files else math.inf


def not_stored(error: OSError, path: Path | None = None) -> NotStored:
    """What the user is told of a write that failed; `path` is named where the error names none."""
    if error.filename is None and path is not None:
        error.filename = str(path)
    made = NotStored(f"{_why(error)}; {_fix(error)}, then run {same_again()} again")
    made.__cause__ = error
    return made


def cannot_begin(error: OSError, folder: Path) -> ConfigError:
    """What the user is told of a cache directory that cannot be opened; nothing was spent."""
    passes = error.errno in (errno.ENOSPC, errno.EDQUOT, *OUT_OF_FILES)
    fix = _fix(error) if passes else "choose a cache_path you may write"
    return ConfigError(f"cannot write {error.filename or folder} ({error.strerror}): {fix}")


def tell_held(error: OSError) -> None:
    """Say that answers wait in memory; not for each of them."""
    global _told_at
    if time.monotonic() - _told_at > _TOLD_SECONDS:
        _told_at = time.monotonic()
        log.warning("%s; finished answers wait in memory and are written again for %.0f s", _why(error), HOLD_SECONDS)


async def until_stored(store: Callable[[], T], *, here: bool = False, seconds: float = HOLD_SECONDS) -> T:
    """What `store` returns, once the disk takes it.

    Args:
        store: writes in a thread; it may run many times.
        here: run it the first time on the loop, because it is quick.
        seconds: after which it is given up.

    Raises:
        NotStored: the disk did not take it in this time, or never will.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return store() if here else await asyncio.to_thread(store)
        except OSError as error:
            if not may_pass(error) or loop.time() >= deadline:
                raise not_stored(error) from error
            tell_held(error)
        here = False
        await asyncio.sleep(seconds / _TRIES)


def nearest_folder(path: str) -> str:
    """The folder itself, or the closest one above it that exists."""
    folder = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - a str stays one
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder
