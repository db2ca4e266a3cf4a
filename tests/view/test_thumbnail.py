"""Thumbnails fit their box, stand upright and refuse what cannot be shown."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.io.decode import BadPicture
from dataflow.view.thumbnail import thumbnail


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp"])
def test_it_fits_the_box_and_keeps_its_shape(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (1200, 600), "teal").save(tmp_path / name)
    small = thumbnail(tmp_path / name, (200, 200))
    assert (small.size, small.mode) == ((200, 100), "RGB")


def test_a_small_picture_keeps_its_size(tmp_path: Path) -> None:
    Image.new("RGBA", (30, 20)).save(tmp_path / "a.png")
    assert thumbnail(tmp_path / "a.png", (200, 200)).size == (30, 20)


def test_a_turned_photo_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1200, 600)).save(tmp_path / "a.jpg", exif=exif)
    assert thumbnail(tmp_path / "a.jpg", (200, 200)).size == (100, 200)


@pytest.mark.parametrize("data", [None, b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadPicture):
        thumbnail(tmp_path / "a.png", (200, 200))


def test_over_50_megapixels_is_refused(tmp_path: Path) -> None:
    Image.new("1", (10_000, 5_001)).save(tmp_path / "a.png")
    with pytest.raises(BadPicture, match="megapixels"):
        thumbnail(tmp_path / "a.png", (200, 200))


def test_a_jpeg_that_would_take_minutes_is_refused_at_once(tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((64, 48)).save(tmp_path / "a.jpg", progressive=True)
    data = (tmp_path / "a.jpg").read_bytes()[:-2]
    (tmp_path / "a.jpg").write_bytes(data + data[data.rfind(b"\xff\xda") :] * 200 + b"\xff\xd9")
    with pytest.raises(BadPicture, match="would take too long"):
        thumbnail(tmp_path / "a.jpg", (200, 200))


def test_a_half_transparent_picture_lies_on_white_however_large(tmp_path: Path) -> None:
    for size in (100, 1000):
        Image.new("RGBA", (size, size), (255, 0, 0, 128)).save(tmp_path / "a.png")
        assert thumbnail(tmp_path / "a.png", (90, 90)).getpixel((9, 9)) == (255, 127, 127)
