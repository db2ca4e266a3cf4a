"""Bytes of unknown origin end as a picture or as BadPicture, with no warning left behind."""

import random
import threading
import warnings
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.io.decode import INPUT_FORMATS, BadPicture, decode, goes_as_it_is, orientation, sniff


def as_bytes(kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((24, 16), 50).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def with_exif(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description long enough to lie outside its entry"
    return as_bytes(kind, exif=exif)


WHOLE = [as_bytes(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]
WHOLE += [with_exif(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
WHOLE += [as_bytes("PNG", save_all=True, append_images=[Image.new("RGB", (24, 16))])]


@settings(deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=6)), max_size=6))
def test_any_damage_is_a_picture_or_bad_picture(data: bytes, patches: list[tuple[float, bytes]]) -> None:
    damaged = bytearray(data)
    for where, patch in patches:
        at = int(where * len(data))
        damaged[at : at + len(patch)] = patch
    with suppress(BadPicture):
        orientation(decode(bytes(damaged), INPUT_FORMATS))
        goes_as_it_is(bytes(damaged))


@settings(deadline=None)
@given(st.sampled_from(WHOLE[:3]), st.integers(1, 200))
def test_any_cut_is_noticed(data: bytes, cut: int) -> None:
    with pytest.raises(BadPicture):
        decode(data[:-cut], INPUT_FORMATS)


def test_a_jpeg_without_its_end_is_cut_short_even_where_pillow_takes_it() -> None:
    taken = 0
    for seed in range(100):
        buffer = BytesIO()
        Image.frombytes("RGB", (8, 8), random.Random(seed).randbytes(8 * 8 * 3)).save(buffer, "JPEG")
        short = buffer.getvalue()[:-1]
        with suppress(OSError):
            Image.open(BytesIO(short)).load()
            taken += 1
        with pytest.raises(BadPicture):
            decode(short, INPUT_FORMATS)
    assert taken


def test_a_format_is_found_by_the_files_bytes() -> None:
    assert [sniff(data) for data in WHOLE[:4]] == ["png", "jpeg", "webp", None]


def test_a_broken_exif_is_no_reason_to_refuse() -> None:
    data = bytearray(with_exif("JPEG"))
    at = data.index(b"Exif\0\0") + 14
    data[at : at + 2] = b"\xff\xff" if data[at - 8 : at - 6] == b"II" else b"\x7f\xff"
    assert decode(bytes(data), INPUT_FORMATS).size == (24, 16)


def test_overlapping_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(d, INPUT_FORMATS) for d in WHOLE * 5]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
