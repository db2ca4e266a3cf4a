import io
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from PIL import Image

from dataflow.demo.checker import TOLERANCE, agree, fault, judge
from dataflow.demo.edits import SHARES, Example, make_example
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


@pytest.mark.parametrize("operation", SHARES)
def test_the_exact_target_of_every_operation_is_right(operation):
    example = make_example(SEED, 0, operation=operation)
    verdict = judge(draw(example.target), example)
    assert (verdict.right, verdict.readable) == (True, True)
    assert verdict.unchanged == verdict.untouched == len(example.untouched)


@pytest.mark.parametrize("operation", [name for name in SHARES if name != "draw"])
def test_the_untouched_source_of_every_operation_is_wrong(operation):
    example = make_example(SEED, 1, operation=operation)
    verdict = judge(draw(example.sources[-1]), example)
    assert not verdict.right
    assert verdict.unchanged == verdict.untouched


def example_of(*shapes):
    return Example("draw", "en", 0, "", (), Scene(shapes, "white"))


@pytest.mark.parametrize(("off", "right"), [(TOLERANCE, True), (TOLERANCE + 1, False)])
def test_a_position_counts_up_to_the_tolerance(off, right):
    star = Shape("star", "red", "large", 30, 30)
    moved = replace(star, x=star.x + off, y=star.y - off)
    assert judge(draw(Scene((moved,), "white")), example_of(star)).right is right


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "circle"}, "kind"),
        ({"colour": "blue"}, "colour"),
        ({"size": "small"}, "size"),
        ({"x": 50}, "position"),
    ],
)
def test_a_fault_is_named(change, word):
    star = Shape("star", "red", "large", 30, 30)
    assert fault(Scene((replace(star, **change),), "white"), Scene((star,), "white")) == word


def test_background_and_number_of_shapes_are_faults_too():
    star = Shape("star", "red", "large", 30, 30)
    target = Scene((star,), "white")
    assert fault(Scene((star,), "black"), target) == "background"
    assert fault(Scene((), "white"), target) == "shape missing"
    assert fault(Scene((star, replace(star, x=50)), "white"), target) == "shape too many"
    assert fault(Unreadable("nothing"), target) == "unreadable"


def test_what_was_damaged_is_not_counted_as_unchanged():
    example = next(e for i in range(99) if (e := make_example(SEED, i, operation="recolour")).untouched)
    kept = example.untouched[0]
    others = tuple(shape for shape in example.target.shapes if shape != kept)
    verdict = judge(draw(replace(example.target, shapes=others)), example)
    assert verdict.unchanged == verdict.untouched - 1
