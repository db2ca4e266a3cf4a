"""One process at a time in a cache directory, and who that is, for others to see without touching the lock.

A lock can only be asked about by trying to take it, which a run that begins at that moment would trip over. So the
process that holds it writes into the file who it is, and renews the file's time every two seconds: a run is seen from
another user, container or host, and one that was killed is told from one that works.
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
from dataflow.utils.held import cannot_begin

_BEAT_SECONDS = 2.0
_SILENT_SECONDS = 30.0  # a busy machine may miss many beats; clocks of two hosts differ by less
_LENGTH = 80
_RELEASED = "released"


class FolderLock:
    """Holds a cache directory's lock file until `release`, or until the process ends.

    Raises:
        CacheBusy: another process holds it; names its pid.
        ConfigError: the file system knows no locks.
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
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (os.pread(self._file, _LENGTH, 0).decode(errors="replace").split() or ["unknown"])[0]
            is_shard = shard_of_folder(cache_path.name) is not None  # elsewhere its rows would be paid again
            advice = "wait for it" if is_shard else "wait for it, or give this run another cache_path"
            raise CacheBusy(f"{cache_path} is in use by process {holder}: {advice}") from None
        except OSError as error:
            raise ConfigError(f"{cache_path} cannot be locked ({error}): it must lie on a POSIX file system") from None

    def _write(self, word: str) -> None:
        """Say who holds it, in one write of fixed length: a reader sees the old text or the new."""
        text = f"{this_process()} {word}"
        os.pwrite(self._file, f"{text[: _LENGTH - 1]:<{_LENGTH - 1}}\n".encode(), 0)

    def beat(self) -> None:
        """Show that the process works; to be called several times a second."""
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + _BEAT_SECONDS
            with suppress(OSError):  # the disk has turned read-only: whoever writes answers says so
                os.utime(self._file)

    def release(self) -> None:
        """Let others in."""
        with suppress(OSError):
            self._write(_RELEASED)
        os.close(self._file)


@contextmanager
def locked(cache_paths: Iterable[Path]) -> Iterator[None]:
    """Meanwhile no run works in these cache directories.

    Raises:
        CacheBusy: a run does already.
        ConfigError: one cannot be written, or its file system knows no locks.
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
    """Look, without touching its lock, whether a run works in a cache directory.

    Raises:
        CacheBusy: one does.
    """
    holder = see_holder(CacheFolder(cache_path).lock)
    if holder is not None and holder.works:
        raise CacheBusy(
            f"process {holder.pid} works in {cache_path} without a shard, or merges: wait for it, since a shard begins"
            f" with what was answered there"
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a directory's lock or was the last to do so, as far as can be seen.

    Args:
        process: as `this_process` names it.
        pid: of the process, on its machine.
        here: that is this machine.
        works: it holds the lock now.
        paused: it released the lock a moment ago and lives on: a script between two steps does.
        killed: it ended without releasing the lock.
    """

    process: str
    pid: int
    here: bool
    works: bool
    paused: bool
    killed: bool


def see_holder(path: Path) -> Holder | None:
    """Who holds this lock file, without touching it; None if nobody ever did, or if that cannot be read."""
    try:
        with path.open("rb") as file:
            silent = abs(time.time() - os.fstat(file.fileno()).st_mtime)
            fields = file.read(_LENGTH).decode(errors="replace").split()
    except OSError:
        return None
    if not fields or not fields[0].isdecimal():
        return None
    pid, released = int(fields[0]), _RELEASED in fields[2:]
    older = len(fields) < 2  # a version that wrote its pid alone, and did not say when it was done
    here = older or fields[1] == _machine()
    lives = silent < _SILENT_SECONDS and not (here and not _exists(pid))
    return Holder(
        process=" ".join(fields[:2]),
        pid=pid,
        here=here,
        works=lives and not released,
        paused=lives and released,
        killed=not lives and not released and not older,
    )


def this_process() -> str:
    """A name that no other process has, on no other machine and in no other container."""
    return f"{os.getpid()} {_machine()}"


@cache
def _machine() -> str:
    """What is the same wherever a pid means the same process: one boot of a kernel, one namespace of pids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - it names no file
    except OSError:
        return "".join(platform.node().split()) or "here"
    return f"{boot[:13]}/{space}"


def _exists(pid: int) -> bool:
    """Whether there is such a process on this machine; one that is dead and not yet buried is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # not Linux, or gone this moment
        return True
    return stat.rpartition(b") ")[2][:1] not in (b"Z", b"X")
