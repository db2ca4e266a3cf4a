"""`ImageIO`: store the pictures that models make, and read the pictures that models are given.

A picture that arrives as a file is stored with its own bytes if possible: decoding it for a check costs a 25th of
encoding it again, and nothing is lost. A picture for an API is sent with its own bytes if every API accepts them; else
it is encoded once, and the encoded bytes are kept for the next request.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from dataflow.core.arguments import check_fields
from dataflow.core.records import Picture, PictureFacts
from dataflow.errors import AnswerError, ConfigError, Failure, RowError
from dataflow.io.check import checked_size
from dataflow.io.colour import encode, to_rgb, upright
from dataflow.io.decode import INPUT_FORMATS, REPLY_FORMATS, BadPicture, Kind, decode, goes_as_it_is, sniff
from dataflow.utils.files import sha256_hex, stamp_of, write_atomic
from dataflow.utils.lru_cache import Recent
from dataflow.utils.open_files import when_one_is_free

if TYPE_CHECKING:
    from PIL import Image

MAX_REPLY_BYTES = 64 << 20  # of a picture in an answer
MAX_INPUT_BYTES = 256 << 20  # of a user's picture file
ENCODED_BYTES = 64 << 20  # of encoded pictures that are kept for the next request

_EXTENSIONS: dict[Kind, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True, slots=True)
class ImageIO:
    """The folder that pictures are stored in, and their format.

    Args:
        save_path: the folder; it is made when the first picture is stored.
        format: "png", "jpeg" or "webp" stores every picture in that format. None keeps a PNG, JPEG or WEBP file as it
            arrived, and stores pictures that arrive decoded as PNG.
        quality: 1 to 100, for the JPEG and WEBP files that we encode.

    Raises:
        ConfigError: the format is unknown, or the quality is not a whole number from 1 to 100.
    """

    save_path: str
    format: Kind | None = field(default=None, kw_only=True)
    quality: int = field(default=95, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.save_path, os.PathLike):
            object.__setattr__(self, "save_path", os.fspath(self.save_path))
        check_fields(self)
        object.__setattr__(self, "save_path", os.path.expanduser(self.save_path))  # noqa: PTH111 - it stays a str
        if self.format is not None and self.format not in get_args(Kind):
            raise ConfigError(f"ImageIO: format={self.format!r}: use 'png', 'jpeg' or 'webp', or leave it out")
        if not isinstance(self.quality, int) or not 1 <= self.quality <= 100:
            raise ConfigError(f"ImageIO: quality={self.quality!r}: use a whole number from 1 to 100, or leave it out")

    def save(self, request_id: str, images: "Sequence[bytes | Image.Image]") -> tuple[Picture, ...]:
        """Store the pictures of one answer as `{save_path}/{id[:2]}/{id}_{k}.{ext}`.

        All pictures are checked before one is written, and the first is written last: so a set whose `_0` exists is
        complete. Pictures of an earlier attempt under the same id are removed.

        Args:
            request_id: the request's id, hex digits.
            images: n pictures, each the bytes of a file from outside or a PIL image of any size.

        Returns:
            The n stored pictures, in order.

        Raises:
            AnswerError: bytes that are no picture, or that we refuse to decode.
        """
        files = [self._file_of(image) for image in images]
        if not files:
            return ()
        self._remove_earlier(request_id, len(files))
        pictures = []
        for k, (data, kind, (width, height)) in reversed(list(enumerate(files))):
            path = Path(self._stem(request_id, k) + _EXTENSIONS[kind])
            write_atomic(path, data)
            pictures.append(Picture(str(path), sha256_hex(data), len(data), width, height))
        return tuple(reversed(pictures))

    def find(self, request_id: str) -> tuple[Picture, ...]:
        """The stored pictures of a request; empty if there are none or one of them is damaged."""
        if not os.path.isdir(os.path.join(self.save_path, request_id[:2])):  # noqa: PTH112, PTH118 - often
            return ()
        pictures = []
        for k in count():
            path = next(self._existing(request_id, k), None)
            if path is None:
                break
            data = path.read_bytes()
            try:
                width, height = checked_size(data, REPLY_FORMATS)
            except BadPicture:
                return ()
            pictures.append(Picture(str(path), sha256_hex(data), len(data), width, height))
        return tuple(pictures)

    def read(self, path: str, facts: PictureFacts | None = None) -> "Image.Image":
        """Read a picture for a model: upright 8-bit RGB, transparency over white, the first of several frames.

        Args:
            path: absolute.
            facts: the file as it was when the request got its id; None accepts the file as it is now.

        Raises:
            RowError: as `check_picture`, or the file has changed since.
        """
        return _decoded(path, bytes_of(path, facts))

    def encoded(self, path: str, facts: PictureFacts | None = None) -> tuple[str, bytes]:
        """Read a picture for an API: its MIME type, and the file's own bytes if every API accepts them.

        A JPEG that must be turned or converted stays a JPEG (quality 95), because a phone's photo would be larger as
        PNG than most APIs allow.

        Args:
            path: absolute.
            facts: as for `read`.

        Raises:
            RowError: as `check_picture`, if the header shows it, or the file has changed since.
        """
        stamp = stamp_of(_stat_of(path))
        key = (str(Path(path).absolute()), stamp)
        if (facts is None or facts.stamp == stamp) and (known := _recent.get(key)) is not None:
            return known
        data = bytes_of(path, facts)
        kind = sniff(data)
        try:
            if goes_as_it_is(data):
                return f"image/{kind}", data
        except BadPicture as error:
            raise RowError(f"picture {path} {error}") from error
        target: Kind = "jpeg" if kind == "jpeg" else "png"
        made = f"image/{target}", encode(_decoded(path, data), target, 95)
        _recent.put(key, made, len(made[1]))
        return made

    def _file_of(self, image: "bytes | Image.Image") -> tuple[bytes, Kind, tuple[int, int]]:
        try:
            if not isinstance(image, bytes):
                return self._encoded_file(image)
            if len(image) > MAX_REPLY_BYTES:
                raise BadPicture(f"has {len(image)} bytes, more than {MAX_REPLY_BYTES >> 20} MiB")
            kind = sniff(image)
            if kind is None or self.format not in (None, kind):
                return self._encoded_file(upright(decode(image, REPLY_FORMATS)))
            return image, kind, checked_size(image, REPLY_FORMATS)
        except BadPicture as error:
            reason = f"the picture in the answer {error}"
            raise AnswerError(Failure("retry", reason, retries=2, refuse_after=True)) from error

    def _encoded_file(self, image: "Image.Image") -> tuple[bytes, Kind, tuple[int, int]]:
        kind = self.format or "png"
        return encode(image, kind, self.quality), kind, image.size

    def _stem(self, request_id: str, k: int) -> str:
        folder = Path(self.save_path).absolute() / request_id[:2]
        return f"{folder}/{request_id}_{k}."

    def _existing(self, request_id: str, k: int) -> Iterator[Path]:
        stem = self._stem(request_id, k)
        return (Path(path) for ext in _EXTENSIONS.values() if os.path.isfile(path := stem + ext))  # noqa: PTH113 - often

    def _remove_earlier(self, request_id: str, new: int) -> None:
        # The picture with number `new` must not exist either, because find() would count it to the set.
        for k in count():
            found = list(self._existing(request_id, k))
            if k >= new and not found:
                return
            for path in found:
                path.unlink()


def check_picture(path: str) -> tuple[str, int, int]:
    """Check an input picture once, before its row costs anything.

    Args:
        path: absolute.

    Returns:
        The file's sha256 in hex, and the width and height in pixels as a viewer shows the picture.

    Raises:
        RowError: the file is missing, empty, unreadable, damaged, truncated, or of more than 50 megapixels.
    """
    data = bytes_of(path)
    try:
        return sha256_hex(data), *checked_size(data, INPUT_FORMATS)
    except BadPicture as error:
        raise RowError(f"picture {path} {error}") from error


def _decoded(path: str, data: bytes) -> "Image.Image":
    try:
        return to_rgb(decode(data, INPUT_FORMATS))
    except BadPicture as error:
        raise RowError(f"picture {path} {error}") from error


def _stat_of(path: str) -> os.stat_result:
    try:
        return Path(path).stat()
    except FileNotFoundError as error:
        raise RowError(f"picture {path} does not exist") from error
    except (OSError, ValueError) as error:
        raise RowError(f"picture {path} cannot be read: {error}") from error


def picture_changed(path: str) -> RowError:
    """The error for a picture file that changed after its row got its requests."""
    return RowError(f"picture {path} changed while the step ran: run it again")


def bytes_of(path: str, facts: PictureFacts | None = None) -> bytes:
    """The bytes of a picture file.

    Args:
        path: absolute.
        facts: the file as it was when the request got its id; None accepts the file as it is now.

    Raises:
        RowError: the file cannot be read, is empty or too large, or has changed since.
    """
    size = _stat_of(path).st_size
    if size > MAX_INPUT_BYTES:
        raise RowError(f"picture {path} has {size} bytes, more than {MAX_INPUT_BYTES >> 20} MiB: make it smaller")
    try:
        with when_one_is_free(lambda: Path(path).open("rb")) as file:
            data = file.read()
            stamp = stamp_of(os.fstat(file.fileno()))  # after reading, so that a write during it shows
    except OSError as error:
        raise RowError(f"picture {path} cannot be read: {error.strerror}") from error
    if not data:
        raise RowError(f"picture {path} is empty (0 bytes)")
    if facts is not None and stamp != facts.stamp and sha256_hex(data) != facts.sha256:
        raise picture_changed(path)
    return data


# (path, stamp) → MIME type and encoded bytes, so that an input picture of many rows is encoded once.
_recent = Recent[tuple[str, int], tuple[str, bytes]](ENCODED_BYTES)
