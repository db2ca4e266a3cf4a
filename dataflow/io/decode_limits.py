"""Find out before decoding what a picture would cost: a small file may take a minute of time, or gigabytes of memory.

Pillow limits only the number of pixels. Decoding blocks every thread, so neither a timeout nor Ctrl-C would end it.
"""

import re

MAX_CHUNKS = 65_536  # of a PNG: writers cut 64 MiB into pieces of 1 KiB and more
MAX_SCANS = 100  # of a JPEG: encoders write about 10
MAX_SCANNED = 1_000_000_000  # pixels times scans, such as 50 megapixels in 20 scans
# A marker. In the coded data of a scan, 0xFF is followed by zero (it is a byte then) or by the number of a restart.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_SCAN, _END = b"\xda", b"\xd9"


def count_scans(data: bytes) -> int:
    """How many scans a JPEG has; decoding each passes over all pixels. Counting stops at `MAX_SCANS` + 1.

    Source: ITU-T T.81, B.1.1.
    """
    scans, position = 0, 2
    while scans <= MAX_SCANS and (found := _MARKER.search(data, position)) and found[1] != _END:
        scans += found[1] == _SCAN
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def has_many_chunks(data: bytes) -> bool:
    """Whether a PNG has more than `MAX_CHUNKS` chunks."""
    position = 8  # behind the signature
    for _ in range(MAX_CHUNKS):
        if position >= len(data):
            return False
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return position < len(data)
