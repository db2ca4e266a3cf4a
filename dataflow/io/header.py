"""Read the header of a picture file: its size where a guess is enough, and whether the file is one that we can read."""

import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from dataflow.io.colour import shown_size
from dataflow.io.decode import INPUT_FORMATS, MAX_PIXELS, BadPicture, decoding, header, is_cut_short, sniff

ENDINGS: Mapping[str, str] = {
    "PNG": "png",
    "JPEG": "jpg",
    "MPO": "jpg",  # several JPEGs in one file, as phones write them
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "JPEG2000": "jp2",
    "PPM": "ppm",
}
"""Pillow's name of a format → the ending of its files."""
_HEAD, _TAIL = 32, 64 << 10  # bytes


def header_size(path: str) -> tuple[int, int]:
    """The width and height in pixels of a picture file, which is opened again only if it has changed.

    The size is a guess that groups rows: a PNG that its EXIF turns has its sides exchanged.

    Raises:
        OSError: there is no such file.
        BadPicture: the file is no picture.
    """
    return _size_at(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=20_000)
def _size_at(path: str, _mtime: int) -> tuple[int, int]:
    """The size from the header alone: reading a PNG's EXIF would decode it, and a wrong guess only splits a batch."""
    from PIL import Image

    with decoding(b""), Image.open(path, formats=INPUT_FORMATS) as image:
        return image.size if image.format == "PNG" else shown_size(image)


def ending_of(data: bytes) -> str:
    """The file name ending for a picture's bytes; checks the header and the end of the file, and decodes no pixels.

    Raises:
        BadPicture: the bytes are no picture, truncated, or of more than 50 megapixels.
    """
    with decoding(data):
        kind = header(data, INPUT_FORMATS).format or ""
    if is_cut_short(data) or _is_truncated_webp(data[:_HEAD], len(data)):
        raise BadPicture("is cut short")
    return ENDINGS[kind]


def check_header(path: str, most: int) -> None:
    """Check the header and the end of a picture file, reading only little of the file.

    Args:
        path: absolute.
        most: the most bytes that the file may have.

    Raises:
        OSError: the file cannot be read.
        BadPicture: as `ending_of`, or the file is empty or too large.
    """
    from PIL import Image

    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise BadPicture("is no file")
    if not found.st_size:
        raise BadPicture("is empty (0 bytes)")
    if found.st_size > most:
        raise BadPicture(f"has {found.st_size} bytes, more than {most >> 20} MiB")
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
        if sniff(head) is None:
            file.seek(0)
            head = file.read(2000)
        with decoding(head), Image.open(path, formats=INPUT_FORMATS) as image:
            width, height = image.size
        if width * height > MAX_PIXELS:
            raise BadPicture(f"has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
        if _ends_early(file, head, found.st_size):
            raise BadPicture("is cut short")


def _ends_early(file: BinaryIO, head: bytes, size: int) -> bool:
    file.seek(max(0, size - _TAIL))
    if not is_cut_short(head + file.read()):
        return _is_truncated_webp(head, size)
    file.seek(0)  # a phone's JPEG may have a video behind its end, longer than the part that was read
    return is_cut_short(file.read())


def _is_truncated_webp(head: bytes, size: int) -> bool:
    """Whether a WEBP file has fewer bytes than its header says.

    Source: https://developers.google.com/speed/webp/docs/riff_container; "File Size" does not count the first 8 bytes.
    """
    return sniff(head) == "webp" and int.from_bytes(head[4:8], "little") + 8 > size
