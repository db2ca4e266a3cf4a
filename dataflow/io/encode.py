"""Encode RGB pictures as PNG in half the CPU time of Pillow's fastest setting, for files that are 5 % larger.

A GPU may draw faster than Pillow encodes. Pillow tries five filters on every line; here every line is stored as its
difference from the line above, which numpy computes at once and which suits photographs and drawings alike. numpy and
zlib release the interpreter's lock, so pictures are encoded while the launch thread works. At 1024 x 1024 a photo takes
31 ms instead of 76, a drawing 8 instead of 18 (November 2026, benchmarks/README.md).
"""

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_UP = 2  # the filter type of differences from the line above
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUECOLOUR = (8, 2, 0, 0, 0)  # 8 bits a sample, RGB, deflate, the standard filters, not interlaced


def rgb_png(image: "Image.Image") -> bytes:
    """A PNG file of an RGB picture, without metadata.

    Source: https://www.w3.org/TR/png-3/, sections 5.3 (chunks), 9.2 (filter type Up) and 11.2.1 (IHDR).

    Args:
        image: mode RGB, of any size.
    """
    import numpy

    assert image.mode == "RGB", image.mode
    pixels = numpy.asarray(image).reshape(image.height, -1)
    lines = numpy.empty((image.height, 1 + pixels.shape[1]), numpy.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = pixels[0]
    numpy.subtract(pixels[1:], pixels[:-1], out=lines[1:, 1:])
    stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    data = stream.compress(lines.data) + stream.flush()
    header = struct.pack(">II5B", *image.size, *_TRUECOLOUR)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
