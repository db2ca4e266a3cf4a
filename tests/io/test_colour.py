"""Every colour mode and orientation as a model sees it."""

from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms

from dataflow.io import ImageIO

RED, WHITE = (255, 0, 0), (255, 255, 255)


def read(tmp_path: Path, data: bytes) -> Image.Image:
    (tmp_path / "a").write_bytes(data)
    image = ImageIO(str(tmp_path)).read(str(tmp_path / "a"))
    assert image.mode == "RGB"
    return image


def as_bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners() -> Image.Image:
    """32 x 16, another grey in each quarter."""
    image = Image.new("L", (32, 16))
    for k, box in enumerate([(0, 0, 16, 8), (16, 0, 32, 8), (0, 8, 16, 16), (16, 8, 32, 16)]):
        image.paste(60 * (k + 1), box)
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, [1, 2, 3, 4]),
        (2, [2, 1, 4, 3]),
        (3, [4, 3, 2, 1]),
        (4, [3, 4, 1, 2]),
        (5, [1, 3, 2, 4]),
        (6, [3, 1, 4, 2]),
        (7, [4, 2, 3, 1]),
        (8, [2, 4, 1, 3]),
    ],
)
def test_exif_orientation_is_applied_once(tmp_path: Path, kind: str, orientation: int, shown: list[int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read(tmp_path, as_bytes(corners().convert("RGB"), kind, exif=exif))
    width, height = image.size
    assert (width, height) == ((32, 16) if orientation < 5 else (16, 32))
    seen = [image.getpixel((x, y)) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    assert [round(pixel[0] / 60) for pixel in seen] == shown  # type: ignore[index]
    assert not image.getexif()


def half_clear(mode: str) -> Image.Image:
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), (255, 0, 0, 255) if mode == "RGBA" else (0, 255))
    image.putpixel((1, 0), (0, 255, 0, 0) if mode == "RGBA" else (0, 0))
    return image


def clear_palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    return image


def colour_key(mode: str, colours: list[object]) -> Image.Image:
    image = Image.new(mode, (2, 1))
    for x, colour in enumerate(colours):
        image.putpixel((x, 0), colour)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (as_bytes(half_clear("RGBA")), RED),
        (as_bytes(half_clear("RGBA"), "WEBP", lossless=True), RED),
        (as_bytes(half_clear("LA")), (0, 0, 0)),
        (as_bytes(clear_palette(), transparency=1), RED),
        (as_bytes(clear_palette(), transparency=b"\xff\x00"), RED),
        (as_bytes(clear_palette(), "GIF", transparency=1), RED),
        (as_bytes(colour_key("RGB", [RED, (0, 255, 0)]), transparency=(0, 255, 0)), RED),
        (as_bytes(colour_key("L", [0, 7]), transparency=7), (0, 0, 0)),
    ],
    ids=["RGBA", "RGBA webp", "LA", "P index", "P bytes", "GIF", "RGB key", "L key"],
)
def test_transparency_lies_over_white(tmp_path: Path, data: bytes, left: tuple[int, int, int]) -> None:
    image = read(tmp_path, data)
    assert [image.getpixel((0, 0)), image.getpixel((1, 0))] == [left, WHITE]


def test_half_transparent_is_mixed_with_white(tmp_path: Path) -> None:
    assert read(tmp_path, as_bytes(Image.new("RGBA", (1, 1), (255, 0, 0, 128)))).getpixel((0, 0)) == (255, 127, 127)


@pytest.mark.parametrize(
    ("levels", "dtype", "kind", "expected"),
    [
        ([0, 257, 32896, 65535], "uint16", "PNG", [0, 1, 128, 255]),
        ([0, 257, 32896, 65535], "uint16", "TIFF", [0, 1, 128, 255]),
        ([0, 1, 128, 255], "int32", "TIFF", [0, 1, 128, 255]),
        ([0, 257, 32896, 65535], "int32", "TIFF", [0, 1, 128, 255]),
        ([0, 10**6, 3 * 10**6, 4 * 10**6], "int32", "TIFF", [0, 64, 191, 255]),
        ([-100, 0, 100, 300], "int32", "TIFF", [0, 64, 128, 255]),
        ([0.0, 0.25, 0.5, 1.0], "float32", "TIFF", [0, 64, 128, 255]),
        ([0.0, 1.0, 128.0, 255.0], "float32", "TIFF", [0, 1, 128, 255]),
        ([float("nan"), float("inf"), 0.5, 1.0], "float32", "TIFF", [0, 0, 128, 255]),
    ],
)
def test_deep_grey_is_scaled_not_clipped(
    tmp_path: Path, levels: list[float], dtype: str, kind: str, expected: list[int]
) -> None:
    image = read(tmp_path, as_bytes(Image.fromarray(numpy.array([levels], dtype)), kind))
    assert [image.getpixel((x, 0)) for x in range(4)] == [(v, v, v) for v in expected]


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    image = read(tmp_path, as_bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    red, green, blue = image.getpixel((4, 4))  # type: ignore[misc]
    assert red > 240
    assert green < 15
    assert blue < 15


def test_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "PNG", "TIFF"):
        data = as_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
        assert read(tmp_path, data).getpixel((1, 1)) == RED


def test_black_and_white_and_a_profile_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, as_bytes(Image.new("1", (2, 2), 1))).getpixel((0, 0)) == WHITE
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read(tmp_path, as_bytes(Image.new("RGB", (2, 2)), icc_profile=profile)).info == {"icc_profile": profile}


def test_lab_is_converted(tmp_path: Path) -> None:
    image = read(tmp_path, as_bytes(Image.new("LAB", (2, 2), (255, 128, 128)), "TIFF"))
    assert min(image.getpixel((0, 0))) > 250  # type: ignore[arg-type]
