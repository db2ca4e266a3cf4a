"""Stores pictures by content: `{store}/{sha[:2]}/{sha}.{ending}`, each written once, whole or not at all.

The name of a file follows from its contents, so the store needs no index, and several imports may fill one store at
once. A picture is fsynced before it gets its name. Folders are fsynced once, before the rows are written.
"""

import fcntl
import os
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import RowError
from dataflow.ingest.records import MAX_BYTES
from dataflow.io.decode import BadPicture
from dataflow.io.header import ending_of
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import sha256_hex, sync_folder, write_durably

_MAKING = ".making"  # pictures without a name yet


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the store.

    Args:
        path: absolute path of the file.
        is_new: whether the picture was not in the store before.
    """

    path: str
    is_new: bool


def is_store(folder: Path) -> bool:
    """Whether a folder is the store of an import."""
    return (folder / _MAKING).is_dir()


class Store:
    """A folder of pictures named by their SHA-256; a context manager.

    Args:
        folder: absolute path; the first picture creates the folder.
        dry: write nothing, and return the paths that pictures would have.
    """

    def __init__(self, folder: Path, *, dry: bool = False) -> None:
        self.folder = folder
        self._dry = dry
        self._touched: set[str] = set()
        self._locks = [threading.Lock() for _ in range(256)]  # a lock for each first byte of a digest
        self._begin_lock = threading.Lock()
        self._making_fd: int | None = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._making_fd is not None:
            os.close(self._making_fd)

    def keep(self, data: bytes) -> Kept:
        """Store a picture, unless the store has it; several threads may call this at once.

        Args:
            data: contents of the picture's file, which are stored as they are.

        Raises:
            RowError: the data is no picture, is cut short, or is too large.
            NotStored: the disk does not take the file.
        """
        if len(data) > MAX_BYTES:
            raise RowError(f"the picture has {len(data)} bytes, more than {MAX_BYTES >> 20} MiB")
        try:
            ending = ending_of(data)
        except BadPicture as error:
            raise RowError(f"the picture {error}") from None
        digest = sha256_hex(data)
        path = self.folder / digest[:2] / f"{digest}.{ending}"
        with self._locks[int(digest[:2], 16)]:
            if _is_whole(path, len(data)):
                return Kept(str(path), is_new=False)
            if not self._dry:
                self._write(path, data)
        return Kept(str(path), is_new=True)

    def settle(self) -> None:
        """Fsync the folders, so that the new files keep their names after a power cut.

        Raises:
            NotStored: the disk does not take the names.
        """
        try:
            for name in self._touched:
                sync_folder(self.folder / name)
            if self._touched:
                sync_folder(self.folder)
                sync_folder(self.folder.parent)
        except OSError as error:
            raise not_stored(error, self.folder) from error

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self.folder / _MAKING / uuid.uuid4().hex
        try:
            self._begin()
            write_durably(temporary, data)
            if path.parent.name not in self._touched:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._touched.add(path.parent.name)
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise not_stored(error, path) from error

    def _begin(self) -> None:
        """Remove files that killed imports left half written, unless another import uses the store.

        The lock is on the folder of unfinished files, so no lock file is needed: exclusive to remove, shared to write.
        """
        with self._begin_lock:
            if self._making_fd is not None:
                return
            (self.folder / _MAKING).mkdir(parents=True, exist_ok=True)
            self._making_fd = os.open(self.folder / _MAKING, os.O_RDONLY)
            with suppress(BlockingIOError):
                fcntl.flock(self._making_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path in (self.folder / _MAKING).iterdir():
                    path.unlink()
            fcntl.flock(self._making_fd, fcntl.LOCK_SH)


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
