"""Whether a picture is whole, and its size as shown; of most PNGs without their pixels, at a quarter of the CPU time.

A PNG is checked by every checksum, by its compressed data up to their end and by the filter of each line: that finds
all the damage that Pillow's verify() and load() find. What is not in order, and what is out of the ordinary
(interlaced, animated, turned by a chunk behind the pixels), is left to Pillow to judge. Of 1.76 MB, 1024 x 1024: 5 ms
instead of 21 (November 2026, benchmarks/README.md).
"""

import struct
from collections.abc import Iterator, Sequence

from dataflow.io.colour import shown_size
from dataflow.io.decode import decode, decoding, header, sniff

_START = 8  # bytes of the signature
_AROUND = 12  # bytes of a chunk beside its data: length, type, checksum
_TOGETHER = 256 << 10  # bytes inflated in one call: little memory, and few calls
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type: samples a pixel
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_HIGHEST_FILTER = 4
_ANIMATED = {b"acTL", b"fcTL", b"fdAT"}
_MAY_TURN = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}


def checked_size(data: bytes, formats: tuple[str, ...]) -> tuple[int, int]:
    """Width and height in pixels, as shown, of a picture that was checked whole.

    Args:
        data: the file's bytes.
        formats: Pillow's names of the formats to accept.

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
    """Whether this is certainly a whole, plain PNG; False leaves it open.

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
    """Type and data of each chunk up to the last; it ends early at one that is cut off or damaged."""
    from isal import isal_zlib

    at, kind = _START, b""
    while kind != b"IEND" and len(view) >= at + _AROUND:
        end = at + _AROUND + int.from_bytes(view[at : at + 4], "big")
        if end > len(view) or isal_zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return
        kind = bytes(view[at + 4 : at + 8])
        yield kind, view[at + 8 : end - 4]
        at = end


def _lines_are_whole(packed: Sequence[memoryview], line: int, lines: int) -> bool:
    """Whether these pieces inflate to as many lines, each with a filter that there is, and to nothing more.

    Args:
        packed: the compressed lines.
        line: bytes of one, its filter included.
        lines: how many there are to be.
    """
    from isal import isal_zlib

    stream = isal_zlib.decompressobj()
    left = line * lines
    try:
        for some in _grouped(packed):
            got = stream.decompress(some, left + 1)
            # What is left tells how far into a line this begins.
            if len(got) > left or max(got[left % line :: line], default=0) > _HIGHEST_FILTER:
                return False
            left -= len(got)
    except isal_zlib.error:  # type: ignore[misc]  # the stub takes it for a value
        return False
    return not left and stream.eof


def _grouped(pieces: Sequence[memoryview]) -> Iterator[bytes]:
    """The same bytes in pieces of about `_TOGETHER`: writers cut them into anything from 8 KiB to the whole."""
    waiting: list[memoryview] = []
    for piece in pieces:
        for at in range(0, len(piece), _TOGETHER):
            waiting.append(piece[at : at + _TOGETHER])
            if sum(map(len, waiting)) >= _TOGETHER:
                yield b"".join(waiting)
                waiting.clear()
    yield b"".join(waiting)
