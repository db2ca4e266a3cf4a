"""The lock of a cache directory: one process at a time works there, and others see which one without touching the lock.

The only way to ask about a lock is to try to take it, and a run that begins at that moment would then find it taken. So
the process that holds the lock writes its name into the lock file and renews the time of the file every two seconds.
Another user, container or host can read from the file whether a run works, ended or was killed.
"""

import fcntl
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow.core.shard import shard_of_folder
from dataflow.errors import CacheBusy, ConfigError
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.disk_retry import cannot_begin

_BEAT_SECONDS = 2.0
_SILENT_SECONDS = 30.0  # a busy machine may miss many beats; clocks of two hosts differ by less
_LENGTH = 80  # bytes of the file's one line, always as many
_RELEASED = "released"


class FolderLock:
    """The held lock of a cache directory, until `release` or the end of the process.

    Args:
        path: of the lock file, below the hidden folder of the cache directory; it is created where it is missing.

    Raises:
        CacheBusy: another process holds it; the message names its pid.
        ConfigError: the file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._beat_at = 0.0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with ExitStack() as undo:
            undo.callback(os.close, self._file)
            self._take(path.parent.parent)
            self._write("")
            undo.pop_all()

    def _take(self, cache_path: Path) -> None:
        """Take the lock, which the system releases when the process ends, however it ends."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (os.pread(self._file, _LENGTH, 0).decode(errors="replace").split() or ["unknown"])[0]
            is_shard = shard_of_folder(cache_path.name) is not None  # in another directory its rows would be paid again
            advice = "wait for it" if is_shard else "wait for it, or give this run another cache_path"
            raise CacheBusy(f"{cache_path} is in use by process {holder}: {advice}") from None
        except OSError as error:
            raise ConfigError(f"{cache_path} cannot be locked ({error}): it must lie on a POSIX file system") from None

    def _write(self, word: str) -> None:
        """Write who holds the lock, in one write of fixed length, so that a reader sees the old line or the new one."""
        text = f"{this_process()} {word}"
        os.pwrite(self._file, f"{text[: _LENGTH - 1]:<{_LENGTH - 1}}\n".encode(), 0)

    def beat(self) -> None:
        """Renew the time of the lock file, which shows that the process works; call it several times a second."""
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + _BEAT_SECONDS
            with suppress(OSError):  # the disk has turned read-only, which the next answer reports
                os.utime(self._file)

    def release(self) -> None:
        """Release the lock and note in the file that it was released."""
        with suppress(OSError):
            self._write(_RELEASED)
        os.close(self._file)


@contextmanager
def locked(cache_paths: Iterable[Path]) -> Iterator[None]:
    """A context manager that holds the locks of cache directories, so that no run works in them.

    Args:
        cache_paths: directories; they are created where they are missing.

    Raises:
        CacheBusy: a run works in one of them.
        ConfigError: one cannot be written, or its file system has no locks.
    """
    with ExitStack() as stack:
        for cache_path in cache_paths:
            folder = CacheFolder(cache_path)
            try:
                folder.path.mkdir(parents=True, exist_ok=True)
                stack.callback(FolderLock(folder.lock).release)
            except OSError as error:
                raise cannot_begin(error, folder.path) from None
        yield


def check_idle(cache_path: Path) -> None:
    """Check that no run works in a cache directory, without touching its lock.

    Raises:
        CacheBusy: a run does.
    """
    holder = see_holder(CacheFolder(cache_path).lock)
    if holder is not None and holder.works:
        raise CacheBusy(
            f"process {holder.pid} works in {cache_path} without a shard, or merges: wait for it, since a shard begins"
            f" with what was answered there"
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock of a directory, or held it last, as the lock file tells.

    Args:
        process: the name of the process, as `this_process` makes it.
        pid: of the process, on its machine.
        here: whether its machine is this one.
        works: whether it holds the lock now.
        paused: whether it released the lock and lives on, as a script between two steps does.
        killed: whether it ended without releasing the lock.
    """

    process: str
    pid: int
    here: bool
    works: bool
    paused: bool
    killed: bool


def see_holder(path: Path) -> Holder | None:
    """The holder that a lock file names; None if the file is missing or names none.

    Args:
        path: of the lock file, which is only read.
    """
    try:
        with path.open("rb") as file:
            silent_seconds = abs(time.time() - os.fstat(file.fileno()).st_mtime)
            fields = file.read(_LENGTH).decode(errors="replace").split()
    except OSError:
        return None
    if not fields or not fields[0].isdecimal():
        return None
    pid, released = int(fields[0]), _RELEASED in fields[2:]
    is_of_old_version = len(fields) < 2  # that version wrote its pid alone, and nothing at the release
    here = is_of_old_version or fields[1] == _machine()
    lives = silent_seconds < _SILENT_SECONDS and not (here and not _exists(pid))
    return Holder(
        process=" ".join(fields[:2]),
        pid=pid,
        here=here,
        works=lives and not released,
        paused=lives and released,
        killed=not lives and not released and not is_of_old_version,
    )


def this_process() -> str:
    """A name of this process that no other process has, on this or another machine or container: `PID MACHINE`."""
    return f"{os.getpid()} {_machine()}"


@cache
def _machine() -> str:
    """A name for all processes among which a pid is unique: those of one boot of a kernel in one namespace of pids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - it names no file
    except OSError:
        return "".join(platform.node().split()) or "here"
    return f"{boot[:13]}/{space}"


def _exists(pid: int) -> bool:
    """Whether a process of this pid runs on this machine; a zombie, which has ended, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process is another user's
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # this is not Linux, or the process has just ended
        return True
    return stat.rpartition(b") ")[2][:1] not in (b"Z", b"X")
