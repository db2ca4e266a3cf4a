"""What a picture would cost to decode, found out before it is: a small file may take a minute, or gigabytes.

Pillow has a bound for pixels only. Decoding holds up every thread, so that neither a timeout nor Ctrl-C would end it.
"""

import re

MAX_CHUNKS = 65_536  # of a PNG: writers cut 64 MiB into pieces of 1 KiB and more
MAX_SCANS = 100  # of a JPEG: encoders write some 10
MAX_SCANNED = 1_000_000_000  # pixels times scans: 50 megapixels in 20 scans
# What follows 0xFF in the coded lines of a scan is zero, or a restart.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_SCAN, _END = b"\xda", b"\xd9"


def count_scans(data: bytes) -> int:
    """How many scans a JPEG has, each of which passes over all its pixels; counted up to one more than are decoded.

    Source: ITU-T T.81, B.1.1.
    """
    scans, at = 0, 2
    while scans <= MAX_SCANS and (found := _MARKER.search(data, at)) and found[1] != _END:
        scans += found[1] == _SCAN
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def has_many_chunks(data: bytes) -> bool:
    """Whether a PNG has more chunks than are read."""
    at = 8
    for _ in range(MAX_CHUNKS):
        if at >= len(data):
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return at < len(data)
