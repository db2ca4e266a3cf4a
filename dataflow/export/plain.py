"""Decides whether a picture file may go out as it is: one upright frame of 8-bit RGB in sRGB, as PNG, JPEG or WEBP.

Loaders of trainers differ on any other picture: some ignore the EXIF turn, some put black under transparency, most read
16-bit grey as white. The chunks of a PNG are read here, without its pixels, since Pillow would decode the picture to
find its EXIF. A PNG with an unusual chunk, and every other format, is opened by Pillow.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from dataflow.errors import RowError
from dataflow.export.records import ENDINGS
from dataflow.io.decode import INPUT_FORMATS, BadPicture, decoding, orientation

if TYPE_CHECKING:
    from PIL import Image as Pillow

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUECOLOUR = b"\x08\x02\x00\x00\x00"  # bits a sample, RGB, deflate, the five filters, not interlaced
_UNUSUAL = {b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"}  # transparency, profile, EXIF, animation
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_TURNING = (b"Raw profile type exif", b"Raw profile type APP1", b"XML:com.adobe.xmp")  # texts that may turn a picture
_MOST_CHUNKS = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """What the header of a picture file shows.

    Args:
        kind: "png", "jpeg", "webp", or another format in small letters.
        is_plain: the file may go out as it is.
        profile: the colour space of its profile: "sRGB" or "other"; "": it has no profile that can be read.
        mode: Pillow's name of its colours, such as "RGB" or "CMYK".
    """

    kind: str
    is_plain: bool
    profile: str = ""
    mode: str = "RGB"


def look_at(path: str) -> Look:
    """Read the header of a picture file.

    Raises:
        RowError: the file cannot be read, or is no picture.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a hundred thousand of them
            if _is_plain_png(file.fileno()):
                return Look("png", is_plain=True)
        return _look_with_pillow(path)
    except BadPicture as error:
        raise RowError(f"picture {path} {error}") from error
    except OSError as error:
        raise RowError(f"picture {path} cannot be read: {error.strerror}") from None


def _is_plain_png(file: int) -> bool:
    """Whether the open file surely is a PNG that may go out as it is; False: Pillow must decide."""
    head = os.pread(file, 33, 0)
    if head[:8] != _SIGNATURE or head[12:16] != b"IHDR" or head[24:29] != _TRUECOLOUR:
        return False
    offset = 33
    for _ in range(_MOST_CHUNKS):
        start = os.pread(file, 40, offset)
        kind = start[4:8]
        if len(start) < 8 or kind in _UNUSUAL or (kind in _TEXTS and start[8:].startswith(_TURNING)):
            return False
        if kind == b"IEND":
            return True
        offset += 12 + int.from_bytes(start[:4], "big")
    return False


def _look_with_pillow(path: str) -> Look:
    import PIL.WebPImagePlugin  # noqa: F401 - or Image.open imports every plugin to find it
    from PIL import Image

    with decoding(b""), Image.open(path, formats=INPUT_FORMATS) as image:
        kind = "jpeg" if image.format == "MPO" else (image.format or "").lower()
        profile = _profile_of(image)
        is_plain = (
            kind in ENDINGS
            and image.mode == "RGB"
            and profile != "other"
            and not image.has_transparency_data
            and getattr(image, "n_frames", 1) == 1
            and not (kind == "png" and _is_deep(path))
            and orientation(image) == 1
        )
        return Look(kind, is_plain, profile, image.mode)


def _is_deep(path: str) -> bool:
    """Whether a PNG has more than 8 bits a sample, which Pillow cuts."""
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read(25)[24] != 8


def _profile_of(image: "Pillow.Image") -> str:
    profile = image.info.get("icc_profile")
    return _names_srgb(profile) if isinstance(profile, bytes) and profile else ""


@lru_cache(maxsize=64)
def _names_srgb(profile: bytes) -> str:
    """The colour space of a profile, "sRGB" or "other"; "" for a damaged profile."""
    from PIL import ImageCms

    try:
        described = ImageCms.getProfileDescription(ImageCms.getOpenProfile(BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return ""
    return "sRGB" if "srgb" in described.lower() else "other"
