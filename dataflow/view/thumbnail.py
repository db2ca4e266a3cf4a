"""Makes small RGB copies of picture files, for people to look at."""

from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.colour import to_rgb
from dataflow.io.decode import INPUT_FORMATS, BadPicture, check_scans, decoding, header
from dataflow.io.image import MAX_INPUT_BYTES

if TYPE_CHECKING:
    from PIL import Image

_SHRUNK = ("L", "RGB", "RGBA")


def thumbnail(path: Path, box: tuple[int, int]) -> "Image.Image":
    """Make a copy that fits a box; a JPEG is decoded at a fraction of its size.

    Args:
        path: the picture file.
        box: largest width and height of the copy, in pixels; a smaller picture keeps its size.

    Raises:
        BadPicture: the file cannot be read, has more than 50 megapixels, or would take too long to decode.
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
        if image.mode in _SHRUNK:  # shrunk first, since turning and converting copy the whole picture
            image.thumbnail((2 * max(box), 2 * max(box)), Image.Resampling.BOX, reducing_gap=None)
        small = to_rgb(image)
        small.thumbnail(box, Image.Resampling.LANCZOS)
    small.info = {}
    return small
