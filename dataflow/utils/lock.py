"""One process at a time in a cache directory."""

import fcntl
import os
from pathlib import Path

from dataflow.errors import CacheBusy, ConfigError


def lock_folder(folder: Path) -> int:
    """Hold `folder/lock` until the descriptor that is returned is closed, or the process ends.

    Raises:
        CacheBusy: another process holds it; names its pid.
        ConfigError: the file system knows no locks.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise CacheBusy(
            f"{folder.parent} is in use by process {holder}: wait for it, or give this run another cache_path"
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(f"{folder.parent} cannot be locked ({error}): it must lie on a POSIX file system") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
