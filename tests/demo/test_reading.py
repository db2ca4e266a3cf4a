"""Pictures are read back into the scene they show, or not at all."""

import io
from dataclasses import replace
from itertools import count

import numpy as np
from PIL import Image

from dataflow.demo.checker import agree
from dataflow.demo.edits import make_example
from dataflow.demo.reading import Unreadable, read
from dataflow.demo.world import BACKGROUNDS, SIDE, Scene, Shape, draw, paint

SEED = 77


def targets(number, split="new_pair"):
    return [make_example(SEED, index, split=split).target for index in range(number)]


def half_drawn(scene, side):
    """The scene with one half of its first shape missing, and the rest whole."""
    shape = scene.shapes[0]
    without = paint(replace(scene, shapes=scene.shapes[1:]))
    alone = (paint(replace(scene, shapes=(shape,))) != BACKGROUNDS[scene.background]).any(axis=-1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    half = {"left": columns < shape.x, "right": columns > shape.x, "top": rows < shape.y, "bottom": rows > shape.y}
    return Image.fromarray(np.where((alone & half[side])[..., None], without, paint(scene)))


def degraded(picture, rng):
    """Shifted by up to a pixel, with noise of deviation 8, through JPEG at quality 80."""
    down, right = rng.integers(0, 3, size=2)
    padded = np.pad(np.asarray(picture, dtype=float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    noisy = padded[down : down + SIDE, right : right + SIDE] + rng.normal(0, 8, (SIDE, SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
    return Image.open(file)


def test_every_drawn_scene_is_read_to_the_pixel():
    for scene in [*targets(75), *targets(75, "seen")]:
        found = read(draw(scene))
        assert isinstance(found, Scene), found
        assert (set(found.shapes), found.background) == (set(scene.shapes), scene.background)


def test_noise_jpeg_and_one_pixel_shifts_do_not_mislead_it():
    rng = np.random.default_rng(0)
    scenes = targets(200)
    right = sum(agree(read(degraded(draw(scene), rng)), scene) for scene in scenes)
    assert right >= 0.99 * len(scenes)


def test_a_picture_of_noise_is_unreadable():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        assert isinstance(read(Image.fromarray(pixels)), Unreadable)


def test_a_hundred_edits_with_a_shape_half_drawn_are_unreadable():
    for scene, index in zip(targets(100), count()):
        picture = half_drawn(scene, ("left", "right", "top", "bottom")[index % 4])
        assert isinstance(read(picture), Unreadable), (scene, index)


def test_every_half_of_every_large_shape_is_unreadable():
    for kind in ("circle", "square", "triangle", "star", "cross"):
        for side in ("left", "right", "top", "bottom"):
            scene = Scene((Shape(kind, "green", "large", 30, 30),), "white")
            assert isinstance(read(half_drawn(scene, side)), Unreadable), (kind, side)


def test_a_speck_that_is_no_shape_is_unreadable():
    pixels = paint(Scene((Shape("star", "red", "large", 20, 20),), "white"))
    pixels[50:55, 50:55] = (40, 80, 230)
    assert isinstance(read(Image.fromarray(pixels)), Unreadable)


def test_a_picture_of_another_size_is_unreadable():
    found = read(Image.new("RGB", (128, 64)))
    assert found == Unreadable("the picture is 128x64, not 64x64")


def test_an_empty_background_is_a_scene_without_shapes():
    assert read(draw(Scene((), "beige"))) == Scene((), "beige")
