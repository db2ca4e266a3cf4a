"""Scenes of the drawn world, and their pictures."""

import numpy as np
import pytest

from dataflow.demo.world import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIDE,
    SIZES,
    Scene,
    Shape,
    draw,
    is_valid,
    nearest_place,
    paint,
    stays_inside,
)

STAR = Shape("star", "red", "large", 20, 30)


def test_a_scene_is_drawn_at_64_pixels_on_its_background():
    picture = draw(Scene((STAR,), "navy"))
    assert (picture.size, picture.mode) == ((SIDE, SIDE), "RGB")
    assert picture.getpixel((60, 60)) == BACKGROUNDS["navy"]
    assert picture.getpixel((20, 30)) == COLOURS["red"]


def test_the_same_scene_is_the_same_pixels():
    scene = Scene((STAR,), "white")
    assert np.array_equal(paint(scene), paint(scene))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_edges_are_antialiased_and_stay_within_the_radius(kind, size):
    shape = Shape(kind, "green", size, 32, 32)
    off = (paint(Scene((shape,), "white")) != BACKGROUNDS["white"]).any(axis=-1)
    colours = {tuple(pixel) for pixel in paint(Scene((shape,), "white"))[off]}
    assert len(colours) > 2
    rows, columns = np.nonzero(off)
    assert max(abs(rows - 32).max(), abs(columns - 32).max()) <= SIZES[size] + 0.5


def test_all_colours_are_far_from_each_other():
    palette = np.asarray([*COLOURS.values(), *BACKGROUNDS.values()], dtype=float)
    gaps = np.linalg.norm(palette[:, None] - palette, axis=-1)
    assert gaps[~np.eye(len(palette), dtype=bool)].min() > 90


@pytest.mark.parametrize(
    "other",
    [
        Shape("star", "red", "small", 50, 10),
        Shape("circle", "blue", "small", 20, 40),
        Shape("circle", "blue", "large", 5, 60),
    ],
    ids=["the same pair twice", "overlapping", "over the edge"],
)
def test_a_scene_that_cannot_be_told_apart_is_not_valid(other):
    assert not is_valid(Scene((STAR, other), "white"))


def test_every_place_holds_the_largest_shape():
    shapes = [Shape("square", "blue", "large", *centre) for centre in PLACES.values()]
    assert all(stays_inside(shape) for shape in shapes)
    assert [nearest_place(shape) for shape in shapes] == list(PLACES)
