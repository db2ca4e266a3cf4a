"""Headers: which pictures are taken at first sight, under which ending, and which are not."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from dataflow.io.decode import BadPicture
from dataflow.io.header import check_header, ending_of

PICTURE = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
KINDS = {
    "PNG": "png",
    "JPEG": "jpg",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "PPM": "ppm",
}


def saved(kind: str) -> bytes:
    buffer = BytesIO()
    PICTURE.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "ending"), KINDS.items())
def test_the_ending_is_that_of_the_contents(kind: str, ending: str, tmp_path: Path) -> None:
    assert ending_of(saved(kind)) == ending
    (tmp_path / "no_ending").write_bytes(saved(kind))
    check_header(str(tmp_path / "no_ending"), 1 << 20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_stops_early_is_cut_short(kind: str, tmp_path: Path) -> None:
    torn = saved(kind)[:-20]
    with pytest.raises(BadPicture, match="cut short"):
        ending_of(torn)
    (tmp_path / "torn").write_bytes(torn)
    with pytest.raises(BadPicture, match="cut short"):
        check_header(str(tmp_path / "torn"), 1 << 20)


def test_a_film_behind_a_jpeg_does_not_hide_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved("JPEG") + bytes(200_000))
    check_header(str(tmp_path / "a.jpg"), 1 << 20)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"<html>", "an HTML page"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
        (b"text", "no format"),
    ],
)
def test_what_is_no_picture_says_what_it_is(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    for look in (lambda: ending_of(data), lambda: check_header(str(tmp_path / "a"), 1 << 20)):
        with pytest.raises(BadPicture, match=said):
            look()


def test_files_that_are_too_large_or_none_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    with pytest.raises(BadPicture, match="more than 0 MiB"):
        check_header(str(tmp_path / "a.png"), 10)
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    with pytest.raises(BadPicture, match="is no file"):
        check_header(str(tmp_path / "pipe.png"), 1 << 20)
