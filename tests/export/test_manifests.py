"""Which files carry a C2PA manifest."""

import pytest

from dataflow.export.manifests import has_manifest

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x02IHDR12....%b" + b"\0\0\0\0IEND...."
JPEG = b"\xff\xd8\xff\xe0\0\x04JF%b\xff\xda\0\x02...."
WEBP = b"RIFF....WEBPVP8 \x03\0\0\0abc.%b"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG % b"\0\0\0\x04caBXjumb....", True),
        (PNG % b"\0\0\0\x04tEXtcaBX....", False),
        (JPEG % b"\xff\xeb\0\x12JP....jumb..c2pa", True),
        (JPEG % b"\xff\xeb\0\x0aHDR_RI..", False),
        (JPEG % b"\xff\xe1\0\x0a....c2pa", False),
        (WEBP % b"C2PA\x04\0\0\0jumb", True),
        (WEBP % b"EXIF\x04\0\0\0C2PA", False),
        (b"", False),
        (b"GIF89a caBX", False),
    ],
)
def test_a_manifest_is_known_by_its_place(data: bytes, *, expected: bool) -> None:
    assert has_manifest(data) is expected
