"""Small copies of pictures for a page, kept in the user's cache folder within a number of bytes.

A copy is named by a digest of the picture's path, its stamp and the size, so a picture that was made anew gets a new
one. What was looked at longest ago goes first. Nothing needs the copies: whoever deletes the folder loses a second.
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
_LOOK_AFTER = 32 << 20  # bytes that are added before the folder is measured again
_AT_ONCE = 2  # pictures that are decoded: one of 50 megapixels takes 150 MB meanwhile
_LOSSLESS = 160  # pixels: a drawing of this size would show what a JPEG loses
_QUALITY = 82

Thumbnail = tuple[bytes, str]
"""A file's bytes, and its MIME type."""


class Thumbnails:
    """Makes small copies, each once.

    Args:
        folder: of the copies; None: in the user's cache folder.
        limit: bytes that all together may take.
    """

    def __init__(self, folder: Path | None = None, *, limit: int = LIMIT) -> None:
        self._folder = folder or user_cache() / "thumbnails"
        self._limit = limit
        self._added = _LOOK_AFTER  # at the first copy: nobody knows what earlier runs left
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def get(self, path: Path, pixels: int) -> Thumbnail:
        """A copy of at most so many pixels on its longer side.

        Raises:
            BadPicture: it cannot be read as a picture.
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
        with suppress(OSError):  # a full disk, or a folder that nobody may write: the page works without
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else may look at the pictures
            part.write_bytes(data)
            part.replace(place)
        with self._lock:
            self._added += len(data)
            if self._added >= min(_LOOK_AFTER, self._limit // 4):
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
    """A small copy as a file: a JPEG, of a very small picture a PNG.

    Raises:
        BadPicture: it cannot be read as a picture.
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
