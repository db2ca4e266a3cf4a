"""Small real picture files for tests."""

import hashlib
import io

SIZE = (64, 64)  # width and height of a picture if a request asks for none


def plain_png(seed: bytes, size: tuple[int, int]) -> bytes:
    """Return the bytes of a PNG file of one colour.

    Args:
        seed: decides the colour; other seeds have other colours.
        size: width and height in pixels.
    """
    from PIL import Image

    red, green, blue = hashlib.blake2b(seed, digest_size=3).digest()
    out = io.BytesIO()
    Image.new("RGB", size, (red, green, blue)).save(out, "PNG")
    return out.getvalue()
