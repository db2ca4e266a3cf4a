"""Small files that would cost a minute of CPU, or gigabytes, are refused before they are decoded."""

import re
import time
from io import BytesIO

import pytest
from PIL import Image

from dataflow.io.check import checked_size
from dataflow.io.decode import REPLY_FORMATS, BadPicture, decode
from dataflow.io.decode_limits import MAX_CHUNKS, MAX_SCANS, count_scans, has_many_chunks
from tests.kit.drawing import draw_png, mark_of

SCAN = b"\xff\xda"


def jpeg(mode="RGB", size=(64, 48), **options):
    out = BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def with_scans(more, size=(64, 48)):
    """A progressive JPEG whose last scan comes so many times more."""
    data = jpeg("L", size, progressive=True)
    last = data[data.rfind(SCAN) : -2]
    return data[:-2] + last * more + data[-2:]


def chunk(kind, data=b""):
    import struct
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(("options", "scans"), [({}, 1), ({"progressive": True}, 10), ({"restart_marker_rows": 1}, 1)])
def test_the_scans_of_a_jpeg_are_counted(options, scans):
    assert count_scans(jpeg(**options)) == scans


def test_what_looks_like_a_scan_in_a_comment_a_thumbnail_or_behind_the_end_is_none():
    data = jpeg(comment=SCAN * 1000, exif=b"Exif\0\0" + jpeg(progressive=True)) + jpeg(progressive=True)
    assert data.count(SCAN) > 1000
    assert count_scans(data) == 1
    assert decode(data, REPLY_FORMATS).size == (64, 48)


def test_a_jpeg_of_many_scans_is_refused_at_once():
    assert decode(with_scans(20), REPLY_FORMATS).size == (64, 48)
    data = with_scans(20_000)
    began = time.monotonic()
    with pytest.raises(BadPicture, match=r"would take too long: 64 x 48 pixels in 101 scans"):
        checked_size(data, REPLY_FORMATS)
    assert time.monotonic() - began < 1
    assert count_scans(data) == MAX_SCANS + 1


def test_a_large_jpeg_may_have_fewer_scans_than_a_small_one():
    large = with_scans(30, size=(6000, 6000))
    assert count_scans(large) < MAX_SCANS
    with pytest.raises(BadPicture, match="would take too long: 6000 x 6000 pixels"):
        checked_size(large, REPLY_FORMATS)


@pytest.mark.parametrize("kind", [b"IDAT", b"teSt"])
def test_a_png_of_empty_chunks_is_refused_before_they_are_looked_at(kind):
    good = draw_png(mark_of("red"))
    at = good.index(b"IDAT") - 4
    for read in (decode, checked_size):
        with pytest.raises(BadPicture, match=re.escape(f"has more than {MAX_CHUNKS:,} chunks")):
            read(good[:at] + chunk(kind) * MAX_CHUNKS + good[at:], REPLY_FORMATS)
    many = good[:at] + chunk(kind) * 5000 + good[at:]
    assert checked_size(many, REPLY_FORMATS) == checked_size(good, REPLY_FORMATS)
    assert not has_many_chunks(many)
