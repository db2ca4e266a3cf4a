"""Small real pictures, of another colour for each seed."""

import hashlib
import io

SIZE = (64, 64)  # width and height of a picture where none is asked for


def plain_png(seed: bytes, size: tuple[int, int]) -> bytes:
    """A PNG of one colour.

    Args:
        seed: decides the colour.
        size: width and height in pixels.
    """
    from PIL import Image

    red, green, blue = hashlib.blake2b(seed, digest_size=3).digest()
    out = io.BytesIO()
    Image.new("RGB", size, (red, green, blue)).save(out, "PNG")
    return out.getvalue()
