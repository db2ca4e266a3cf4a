"""A small RGB copy of a picture file, for the eye only."""

from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.colour import to_rgb
from dataflow.io.decode import INPUT_FORMATS, MAX_PIXELS, BadPicture, decoding

if TYPE_CHECKING:
    from PIL import Image


def thumbnail(path: Path, box: tuple[int, int]) -> "Image.Image":
    """Read a picture no larger than the box; a JPEG is decoded at a fraction of its size.

    Args:
        path: the file.
        box: width and height in pixels that it must fit.

    Raises:
        BadPicture: it cannot be read, or has more than 50 megapixels.
    """
    from PIL import Image

    with decoding(b""):
        Image.init()
        with Image.open(path, formats=[name for name in INPUT_FORMATS if name in Image.OPEN]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPicture(f"has more than {MAX_PIXELS // 1_000_000} megapixels")
            image.draft("RGB", (2 * max(box), 2 * max(box)))
            small = to_rgb(image)
        small.thumbnail(box, Image.Resampling.LANCZOS)
    small.info = {}
    return small
