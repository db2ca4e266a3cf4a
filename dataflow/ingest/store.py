"""Pictures by content: `{store}/{sha[:2]}/{sha}.{ending}`, each written once, whole or not at all.

A name says what is in the file, so nothing else is kept, and several imports may fill one store at the same time. A
picture is fsynced before it gets its name, many at a time; folders are fsynced once, before the rows are.
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
from dataflow.utils.files import sha256_hex, sync_folder, write_durably
from dataflow.utils.held import not_stored

_MAKING = ".making"  # pictures without a name yet


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the store.

    Args:
        path: absolute.
        is_new: it was not there before.
    """

    path: str
    is_new: bool


def is_store(folder: Path) -> bool:
    """Whether a folder is the store of an import."""
    return (folder / _MAKING).is_dir()


class Store:
    """A folder of pictures under their digests; a context manager.

    Args:
        folder: absolute; made with the first picture.
        dry: say where pictures would lie, and write none.
    """

    def __init__(self, folder: Path, *, dry: bool = False) -> None:
        self.folder = folder
        self._dry = dry
        self._touched: set[str] = set()
        self._locks = [threading.Lock() for _ in range(256)]  # one for each first byte of a digest
        self._beginning = threading.Lock()
        self._making: int | None = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._making is not None:
            os.close(self._making)

    def keep(self, data: bytes) -> Kept:
        """Store a picture, unless it is there; called from several threads.

        Args:
            data: its file, which is not changed.

        Raises:
            RowError: it is no picture, cut short or too large.
            NotStored: the disk does not take it.
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
        """Make all names survive a power cut.

        Raises:
            NotStored: the disk does not take them.
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
        """Remove what killed imports left, unless another one works here; by a lock on the folder, which is no file."""
        with self._beginning:
            if self._making is not None:
                return
            (self.folder / _MAKING).mkdir(parents=True, exist_ok=True)
            self._making = os.open(self.folder / _MAKING, os.O_RDONLY)
            with suppress(BlockingIOError):
                fcntl.flock(self._making, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path in (self.folder / _MAKING).iterdir():
                    path.unlink()
            fcntl.flock(self._making, fcntl.LOCK_SH)


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
