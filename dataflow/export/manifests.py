"""Finds C2PA manifests in picture files: signed notes of where a picture comes from, which no re-encoding keeps.

Source: C2PA Technical Specification 2.1, A.3 (PNG: `caBX`; JPEG: APP11 with a JUMBF box; RIFF: `C2PA`).
"""

from collections.abc import Iterator

from dataflow.io.decode import sniff

_APP11, _SCAN = 0xEB, 0xDA


def has_manifest(data: bytes) -> bool:
    """Whether a PNG, JPEG or WEBP carries a manifest; false for any other format.

    Args:
        data: the bytes of the file.
    """
    kind = sniff(data)
    if kind == "png":
        return b"caBX" in _png_chunks(data)
    if kind == "webp":
        return b"C2PA" in _riff_chunks(data)
    return kind == "jpeg" and any(mark == _APP11 and b"c2pa" in body for mark, body in _segments(data))


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """The name of each chunk: a length, a name, so many bytes, a checksum."""
    offset = 8
    while offset + 8 <= len(data):
        yield data[offset + 4 : offset + 8]
        offset += 12 + int.from_bytes(data[offset : offset + 4], "big")


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    """The name of each chunk: a name, a length, so many bytes, up to an even place."""
    offset = 12
    while offset + 8 <= len(data):
        yield data[offset : offset + 4]
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        offset += 8 + length + length % 2


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment of a JPEG before its first scan."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != _SCAN:
        length = int.from_bytes(data[offset + 2 : offset + 4], "big")
        yield data[offset + 1], data[offset + 4 : offset + 2 + length]
        offset += 2 + length
