"""Check that a picture is whole, and find its size as shown; for most PNGs without decoding their pixels.

A PNG is checked by every checksum, by inflating its data to their end, and by the filter type of each line: this finds
all the damage that Pillow's verify() and load() find, in a quarter of the CPU time. Pillow judges a PNG that fails the
check, and one that is unusual (interlaced, animated, turned by a chunk behind the pixels). A file of 1.76 MB and
1024 x 1024 pixels takes 5 ms instead of 21 (November 2026, benchmarks/README.md).
"""

import struct
from collections.abc import Iterator, Sequence

from dataflow.io.colour import shown_size
from dataflow.io.decode import decode, decoding, header, sniff

_START = 8  # bytes of the signature
_AROUND = 12  # bytes of a chunk beside its data: length, type, checksum
_TOGETHER = 256 << 10  # bytes inflated in one call: few calls, and little memory
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples of a pixel
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # colour type → bits of a sample
_HIGHEST_FILTER = 4
_ANIMATED = {b"acTL", b"fcTL", b"fdAT"}
_MAY_TURN = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}


def checked_size(data: bytes, formats: tuple[str, ...]) -> tuple[int, int]:
    """Check that a picture is whole, and return its width and height in pixels as a viewer shows it.

    Args:
        data: the file's bytes.
        formats: the formats to accept, by Pillow's names.

    Raises:
        BadPicture: as `decode`.
    """
    if sniff(data) == "png":
        with decoding(data):
            image = header(data, formats)
            if is_whole_png(data):
                return shown_size(image, from_header=True)
    return shown_size(decode(data, formats))


def is_whole_png(data: bytes) -> bool:
    """Whether the bytes certainly are a whole, plain PNG; False means that only decoding can tell.

    Source: https://www.w3.org/TR/png-3/, sections 5 (chunks), 9.2 (filters) and 11.2 (IHDR, PLTE).
    """
    chunks = list(_chunks(memoryview(data))) if sniff(data) == "png" else []
    kinds = [kind for kind, _ in chunks]
    if kinds[-1:] != [b"IEND"] or kinds[0] != b"IHDR" or b"IDAT" not in kinds or len(chunks[0][1]) != 13:
        return False
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(">II5B", chunks[0][1])
    before = kinds.index(b"IDAT")
    if (
        depth not in _DEPTHS.get(colour, ())
        or (packing, filters, interlaced) != (0, 0, 0)
        or (colour == 3 and b"PLTE" not in kinds[:before])
        or _ANIMATED.intersection(kinds)
        or _MAY_TURN.intersection(kinds[before:])
    ):
        return False
    line = 1 + (width * depth * _SAMPLES[colour] + 7) // 8
    return _lines_are_whole([chunk for kind, chunk in chunks if kind == b"IDAT"], line, height)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The type and data of each chunk, up to IEND or to the first chunk that is truncated or damaged."""
    from isal import isal_zlib

    start, kind = _START, b""
    while kind != b"IEND" and len(view) >= start + _AROUND:
        end = start + _AROUND + int.from_bytes(view[start : start + 4], "big")
        if end > len(view) or isal_zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return
        kind = bytes(view[start + 4 : start + 8])
        yield kind, view[start + 8 : end - 4]
        start = end


def _lines_are_whole(packed: Sequence[memoryview], line: int, lines: int) -> bool:
    """Whether compressed pieces inflate to exactly the expected lines, each beginning with a valid filter type.

    Args:
        packed: the compressed lines, in pieces.
        line: the bytes of one line, its filter type included.
        lines: the expected number of lines.
    """
    from isal import isal_zlib

    stream = isal_zlib.decompressobj()
    missing = line * lines  # bytes
    try:
        for piece in _grouped(packed):
            inflated = stream.decompress(piece, missing + 1)
            # A line begins wherever the number of missing bytes is a multiple of `line`, so the first line that begins
            # in `inflated` does so at `missing % line`. The first byte of a line is its filter type.
            if len(inflated) > missing or max(inflated[missing % line :: line], default=0) > _HIGHEST_FILTER:
                return False
            missing -= len(inflated)
    except isal_zlib.error:  # type: ignore[misc]  # isal's stub declares the exception as a value
        return False
    return not missing and stream.eof


def _grouped(pieces: Sequence[memoryview]) -> Iterator[bytes]:
    """The same bytes in pieces of about `_TOGETHER` bytes; the pieces of a file may have 8 KiB, or all of its data."""
    waiting: list[memoryview] = []
    for piece in pieces:
        for start in range(0, len(piece), _TOGETHER):
            waiting.append(piece[start : start + _TOGETHER])
            if sum(map(len, waiting)) >= _TOGETHER:
                yield b"".join(waiting)
                waiting.clear()
    yield b"".join(waiting)
