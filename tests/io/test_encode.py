"""The PNG writer, read back by Pillow."""

from io import BytesIO

import numpy
import pytest
from PIL import Image

from dataflow.io.colour import encode
from dataflow.io.encode import rgb_png


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (64, 48), (333, 257)])
def test_every_pixel_comes_back(size: tuple[int, int]) -> None:
    pixels = numpy.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), numpy.uint8)
    data = rgb_png(Image.fromarray(pixels))
    with Image.open(BytesIO(data)) as image:
        image.verify()
    with Image.open(BytesIO(data)) as image:
        assert (image.format, image.mode, image.size, image.info) == ("PNG", "RGB", size, {})
        assert numpy.array_equal(numpy.asarray(image), pixels)


def test_a_view_that_is_not_contiguous_is_written_as_it_is_shown() -> None:
    pixels = numpy.random.default_rng(1).integers(0, 256, (40, 60, 3), numpy.uint8)
    cropped = Image.fromarray(pixels).crop((5, 6, 25, 31)).transpose(Image.Transpose.ROTATE_90)
    assert numpy.array_equal(numpy.asarray(Image.open(BytesIO(rgb_png(cropped)))), numpy.asarray(cropped))


def test_a_smooth_picture_stays_small() -> None:
    ramp = Image.linear_gradient("L").resize((512, 512)).convert("RGB")
    assert len(rgb_png(ramp)) < 50_000


def test_what_a_plain_rgb_file_cannot_hold_is_kept() -> None:
    profiled = Image.new("RGB", (4, 4), "red")
    profiled.info["icc_profile"] = b"a profile"
    keyed = Image.new("RGB", (4, 4), "red")
    keyed.info["transparency"] = (255, 0, 0)
    seen = [Image.open(BytesIO(encode(image, "png", 95))) for image in (profiled, keyed, Image.new("L", (4, 4), 9))]
    assert seen[0].info["icc_profile"] == b"a profile"
    assert seen[1].info["transparency"] == (255, 0, 0)
    assert seen[2].mode == "L"
    assert encode(Image.new("RGB", (4, 4), "red"), "png", 95) == rgb_png(Image.new("RGB", (4, 4), "red"))
