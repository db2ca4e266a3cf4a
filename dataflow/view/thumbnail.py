"""A small RGB copy of a picture file, for the eye only."""

from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.colour import to_rgb
from dataflow.io.decode import INPUT_FORMATS, BadPicture, check_scans, decoding, header
from dataflow.io.image import MAX_INPUT_BYTES

if TYPE_CHECKING:
    from PIL import Image

_SHRUNK = ("L", "RGB", "RGBA")


def thumbnail(path: Path, box: tuple[int, int]) -> "Image.Image":
    """Read a picture no larger than the box; a JPEG is decoded at a fraction of its size.

    Args:
        path: the file.
        box: width and height in pixels that it must fit.

    Raises:
        BadPicture: it cannot be read, has more than 50 megapixels, or would take too long.
    """
    from PIL import Image

    with decoding(b""):
        if (size := path.stat().st_size) > MAX_INPUT_BYTES:
            raise BadPicture(f"has {size / 1e6:.0f} MB, more than {MAX_INPUT_BYTES / 1e6:.0f}")
        data = path.read_bytes()
    with decoding(data):
        image = header(data, INPUT_FORMATS)
        check_scans(image, data)
        image.draft("RGB", (2 * max(box), 2 * max(box)))
        if image.mode in _SHRUNK:  # before copies of the whole are made
            image.thumbnail((2 * max(box), 2 * max(box)), Image.Resampling.BOX, reducing_gap=None)
        small = to_rgb(image)
        small.thumbnail(box, Image.Resampling.LANCZOS)
    small.info = {}
    return small
