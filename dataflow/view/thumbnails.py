"""Keeps small copies of pictures for the page in the user's cache folder, within a number of bytes.

A copy is named by a digest of the picture's path, stamp and size in pixels, so a picture that was made anew gets a new
copy. When the folder is full, the copies that were looked at longest ago are removed. Copies are made again when they
are needed, so the folder may be deleted at any time.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

from dataflow.io.decode import BadPicture
from dataflow.utils.files import stamp_of, user_cache
from dataflow.view.thumbnail import thumbnail

LIMIT = 512 << 20  # bytes
_MEASURE_AFTER = 32 << 20  # bytes of new copies after which the folder is measured again
_MOST_AT_ONCE = 2  # pictures that are decoded at once: decoding 50 megapixels takes 150 MB of memory
_LOSSLESS = 160  # pixels: copies up to this size are PNG, since small drawings show what a JPEG loses
_QUALITY = 82

Thumbnail = tuple[bytes, str]
"""The bytes of a copy, and its MIME type."""


class Thumbnails:
    """Makes small copies, each once.

    Args:
        folder: folder of the copies; None: one in the user's cache folder.
        limit: most bytes of all copies together.
    """

    def __init__(self, folder: Path | None = None, *, limit: int = LIMIT) -> None:
        self._folder = folder or user_cache() / "thumbnails"
        self._limit = limit
        self._added = _MEASURE_AFTER  # so that the first new copy measures what earlier processes left in the folder
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def get(self, path: Path, pixels: int) -> Thumbnail:
        """A small copy of a picture.

        Args:
            path: of the picture.
            pixels: longer side of the copy, at most.

        Raises:
            BadPicture: the file cannot be read as a picture.
        """
        try:
            stamp = stamp_of(path.stat())
        except OSError as error:
            raise BadPicture(f"cannot be read: {error.strerror}") from error
        name = blake2b(f"{path}\0{stamp}\0{pixels}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        place = self._folder / name[:2] / name
        with suppress(OSError):
            data = place.read_bytes()
            os.utime(place)
            return data, _kind(data)
        with self._turns:
            data = encode_small(path, pixels)
        self._keep(place, data)
        return data, _kind(data)

    def _keep(self, place: Path, data: bytes) -> None:
        part = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}")
        with suppress(OSError):  # on a full disk or in a read-only folder, the page works without kept copies
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # only this user may look at the pictures
            part.write_bytes(data)
            part.replace(place)
        with self._lock:
            self._added += len(data)
            if self._added >= min(_MEASURE_AFTER, self._limit // 4):
                self._added = 0
                self._make_room()

    def _make_room(self) -> None:
        files = sorted(self._files(), reverse=True)  # the newest first
        held = 0
        for _, size, path in files:
            held += size
            if held > 0.8 * self._limit:
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                state = path.stat()
                yield state.st_mtime, state.st_size, path


def encode_small(path: Path, pixels: int, *, quality: int = _QUALITY) -> bytes:
    """The bytes of a small copy: a PNG up to _LOSSLESS pixels, else a JPEG.

    Args:
        path: of the picture.
        pixels: longer side of the copy, at most.
        quality: of the JPEG, 0 to 100.

    Raises:
        BadPicture: the file cannot be read as a picture.
    """
    small = thumbnail(path, (pixels, pixels))
    data = BytesIO()
    if max(small.size) <= _LOSSLESS:
        small.save(data, "PNG")
    else:
        small.save(data, "JPEG", quality=quality)
    return data.getvalue()


def _kind(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
