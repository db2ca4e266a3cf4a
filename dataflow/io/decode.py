"""Decode bytes of unknown origin into a checked picture; no other module opens such bytes.

Replies of an API are untrusted, and a user's files may be anything. So every picture is measured before it is decoded
and is decoded whole, and every error or warning of Pillow becomes a `BadPicture`.
"""

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Literal, cast

from dataflow.io.decode_limits import MAX_CHUNKS, MAX_SCANNED, MAX_SCANS, count_scans, has_many_chunks

if TYPE_CHECKING:
    from PIL import Image

Kind = Literal["png", "jpeg", "webp"]

MAX_PIXELS = 50_000_000
# Vector and script formats (EPS runs Ghostscript) and formats without a signature are left out.
INPUT_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm")
REPLY_FORMATS = ("PNG", "JPEG", "WEBP")  # what image APIs send; each further decoder is one more for strangers to try

# What Pillow's decoders have been seen to raise for damaged files; Warning, where the user's filters make it an error.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)
_ORIENTATION = 0x0112  # Source: EXIF 2.3, tag "Orientation"
# The last bytes of a whole file; Pillow accepts PNGs that stop before them, and some JPEGs.
_ENDS: dict[Kind | None, bytes] = {"png": b"IEND\xaeB`\x82", "jpeg": b"\xff\xd9"}
_PNG_MAY_TURN = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")


class BadPicture(ValueError):
    """These bytes are no usable picture; the message completes "the picture ..."."""


def sniff(data: bytes) -> Kind | None:
    """The format of a file by its first bytes, whatever its name or MIME type says; None for any other format."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def decode(data: bytes, formats: tuple[str, ...]) -> "Image.Image":
    """Decode the first frame whole, with verify() and load(), because each misses damage that the other finds.

    Args:
        data: the file's bytes.
        formats: the formats to accept, by Pillow's names.

    Raises:
        BadPicture: the bytes are of no such format, damaged, truncated, or of more than 50 megapixels.
    """
    with decoding(data):
        header(data, formats).verify()
        image = header(data, formats)
        check_scans(image, data)
        image.load()
        if is_cut_short(data):
            raise BadPicture("is cut short")
    return image


def is_cut_short(data: bytes) -> bool:
    """Whether a PNG or JPEG lacks the last bytes of a whole file; False for other formats."""
    return data.rfind(_ENDS.get(sniff(data), b"")) < 0


def check_scans(image: "Image.Image", data: bytes) -> None:
    """Check that decoding the scans of a JPEG takes no minutes.

    Args:
        image: as `header` returns it; formats other than JPEG pass.
        data: the file's bytes.

    Raises:
        BadPicture: decoding would take too long.
    """
    if image.format in ("JPEG", "MPO") and (scans := count_scans(data)) > min(
        MAX_SCANS, MAX_SCANNED // (image.width * image.height)
    ):
        raise BadPicture(f"would take too long: {image.width} x {image.height} pixels in {scans} scans or more")


def goes_as_it_is(data: bytes) -> bool:
    """Whether every API accepts these bytes: a PNG, JPEG or WEBP of one upright frame in 8-bit RGB or grey.

    Raises:
        BadPicture: as `decode`, if the header shows it.
    """
    kind = sniff(data)
    with decoding(data):
        if kind is None:
            return False
        image = header(data, INPUT_FORMATS)
        if image.mode not in ("RGB", "L") or image.has_transparency_data or getattr(image, "n_frames", 1) > 1:
            return False
        if kind == "png":
            # Byte 24 is the bit depth. The words are looked for first, because reading a PNG's EXIF decodes the PNG.
            return data[24] == 8 and (not any(word in data for word in _PNG_MAY_TURN) or orientation(image) == 1)
        return orientation(image) == 1


def orientation(image: "Image.Image", *, from_header: bool = False) -> int:
    """The EXIF orientation, 1 to 8; 1 where the tag is missing or unreadable.

    Args:
        image: as `header` or `decode` returns it.
        from_header: whether to ignore a tag behind a PNG's pixels, for which the PNG would be decoded.
    """
    from PIL import Image

    with _pillow_silenced(), suppress(*_DECODER_ERRORS):
        found = Image.Image.getexif(image) if from_header else image.getexif()
        value = int(found.get(_ORIENTATION, 1))
        return value if 1 <= value <= 8 else 1
    return 1


@contextmanager
def decoding(data: bytes) -> Iterator[None]:
    """Turn Pillow's errors inside the `with` into `BadPicture`, and ignore Pillow's warnings.

    Args:
        data: the bytes that are decoded; the error says what they are instead of a picture.

    Raises:
        BadPicture: the bytes are no picture, damaged, truncated, or of too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with _pillow_silenced():
            yield
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"has more than {MAX_PIXELS // 1_000_000} megapixels") from error
    except UnidentifiedImageError as error:
        raise BadPicture("is damaged or cut short" if sniff(data) else f"is {_what_else(data)}") from error
    except _DECODER_ERRORS as error:
        raise BadPicture(f"is damaged or cut short ({str(error)[:120] or type(error).__name__})") from error


def header(data: bytes, formats: tuple[str, ...]) -> "Image.Image":
    """Open a picture without decoding it; call this inside `decoding`.

    Args:
        data: the file's bytes.
        formats: the formats to accept, by Pillow's names.

    Raises:
        BadPicture: the file is empty, has too many chunks, or more than 50 megapixels.
    """
    from PIL import Image

    if not data:
        raise BadPicture("is empty (0 bytes)")
    kind = sniff(data)
    if kind == "webp":
        import PIL.WebPImagePlugin  # noqa: F401 - else Image.open imports all plugins to find this one
    if kind is not None:
        formats = (kind.upper(),)
    else:
        Image.init()
        formats = tuple(name for name in formats if name in Image.OPEN)
    if kind == "png" and has_many_chunks(data):
        raise BadPicture(f"has more than {MAX_CHUNKS:,} chunks")
    image = Image.open(BytesIO(data), formats=formats)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadPicture(f"has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
    return image


def _what_else(data: bytes) -> str:
    """What bytes that are no picture are instead, in words, for an error."""
    head = data[:2000].lstrip().lower()
    if head.startswith(b"<"):
        return "an SVG drawing" if b"<svg" in head else "an HTML page" if b"<html" in head else "a page of text"
    if head.startswith((b"{", b"[")):
        return "JSON text"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "a HEIC photo: convert it to JPEG"
    return f"in no format we read (it starts with {data[:8]!r})"


_QUIET_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_quiet_lock = threading.Lock()
_quiet_depth = 0


@contextmanager
def _pillow_silenced() -> Iterator[None]:
    """Ignore Pillow's warnings inside the `with`, in all threads.

    `warnings.catch_warnings` restores the wrong filters when two threads overlap in it. So one filter of our own is in
    the list while a counter says that some thread is inside.
    """
    global _quiet_depth
    filters = cast("list[object]", warnings.filters)
    with _quiet_lock:
        _quiet_depth += 1
        if _QUIET_PILLOW not in filters:
            filters.insert(0, _QUIET_PILLOW)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if not _quiet_depth:
                with suppress(ValueError):
                    filters.remove(_QUIET_PILLOW)
