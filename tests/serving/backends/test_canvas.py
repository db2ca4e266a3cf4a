"""Pictures are brought to a size without distortion, and stitched."""

import pytest
from PIL import Image, ImageDraw

from dataflow.serving.backends.canvas import at_area, fit, nearest_aspect, on_grid, stitch, stitched_size


@pytest.mark.parametrize(
    ("size", "made"), [((100, 70), (96, 64)), ((120, 8), (128, 16)), ((1, 1), (16, 16)), ((128, 128), (128, 128))]
)
def test_sizes_are_rounded_to_the_nearest_multiple_of_16(size: tuple[int, int], made: tuple[int, int]) -> None:
    assert on_grid(size) == made


def test_an_area_is_reached_at_the_same_aspect() -> None:
    assert at_area((1600, 900), 1024 * 1024) == (1360, 768)
    assert at_area((300, 300), 64 * 64) == (64, 64)


def test_wide_and_tall_pictures_find_mirrored_sizes() -> None:
    choices = [(1024, 1024), (1392, 752), (752, 1392)]
    assert nearest_aspect((1600, 900), choices) == (1392, 752)
    assert nearest_aspect((900, 1600), choices) == (752, 1392)


def circle(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "blue")
    radius = min(size) // 3
    ImageDraw.Draw(image).circle((size[0] // 2, size[1] // 2), radius, fill="red")
    return image


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (500, 500), (640, 368), (1000, 100)])
def test_a_circle_stays_a_circle_at_any_size(size: tuple[int, int]) -> None:
    made = fit(circle((640, 360)), size)
    assert made.size == size
    left, top, right, bottom = made.split()[1].point(lambda level: 255 * (level < 100)).getbbox() or (0, 0, 0, 0)
    red = made.point(lambda level: 255 * (level > 128)).split()
    box = Image.composite(red[0], Image.new("L", size), red[2].point(lambda b: 255 - b)).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert abs((right - left) - (bottom - top)) <= 2


def test_a_small_misfit_is_cut_and_a_large_one_padded_with_white() -> None:
    assert fit(circle((640, 360)), (640, 368)).getpixel((320, 1)) == (0, 0, 255)
    assert fit(circle((640, 360)), (640, 640)).getpixel((320, 1)) == (255, 255, 255)


def test_stitched_pictures_keep_their_order_and_full_size() -> None:
    canvas = stitch([Image.new("RGB", (100, 60), "red"), Image.new("RGB", (60, 128), "blue")])
    assert canvas.size == stitched_size([(100, 60), (60, 128)]) == (160, 128)
    assert canvas.getpixel((50, 64)) == (255, 0, 0)
    assert canvas.getpixel((130, 1)) == (0, 0, 255)
    assert canvas.getpixel((50, 10)) == (255, 255, 255)


def test_only_a_picture_above_a_megapixel_is_made_smaller() -> None:
    assert stitched_size([(1024, 1024), (1024, 1024)]) == (2048, 1024)
    assert stitched_size([(2048, 2048), (512, 512)]) == (1536, 1024)


@pytest.mark.parametrize("size", [(2000, 1), (1, 65535)])
def test_a_line_stays_a_line(size: tuple[int, int]) -> None:
    target = (512, 64) if size[0] > size[1] else (64, 512)
    made = fit(Image.new("RGB", size, "red"), target)
    assert made.size == target
    assert (255, 0, 0) in {colour for _, colour in made.getcolors() or ()}
