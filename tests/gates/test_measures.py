"""What the measures say of changes that are known, and of pictures of odd shapes."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.gates import FIGURES, HALVES, measured, outside_error, photo
from dataflow.gates.measures import compare
from tests.kit.photo_changes import CHANGES, loss, shifted

FEW = [change for change in CHANGES if change.name in {
    "the same file", "one pass", "JPEG 40", "recoloured 0.3%", "removed 1.0%", "letters of 16 px", "dressed 40%",
    "night", "haze", "shift 2 0", "zoom +1%", "turned 0.5", "shift at night", "cool 5", "letterbox 2%",
}]  # fmt: skip


@pytest.fixture(scope="module")
def chance() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_small_photograph_with_a_few_changes_shows_what_was_done_to_it() -> None:
    cases = measured(photo(3), 3, FEW)
    for figure in FIGURES:
        found, of = figure.share(cases)
        assert of == 0 or figure.least <= found / of <= figure.most, figure.name


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_all_changes_of_all_photographs_show(half: str) -> None:
    cases = [case for number in HALVES[half] for case in measured(photo(number), number)]
    missed = {
        figure.name: (found, of)
        for figure in FIGURES
        for found, of in [figure.share(cases)]
        if not figure.least <= found / of <= figure.most
    }
    assert missed == {}


def test_what_changed_outside_a_mask_is_measured_within_a_hundredth() -> None:
    assert outside_error(photo(3), 3) < 0.01


def test_shift_zoom_and_cast_are_the_true_ones(chance: np.random.Generator) -> None:
    source = photo(3)
    moved = compare([source], loss(shifted(source, chance, right=5, down=-3), chance))
    assert moved.shift == pytest.approx((5, -3), abs=0.2)
    assert moved.zoom == pytest.approx((0, 0), abs=0.003)
    warmer = Image.fromarray((np.asarray(source).astype(int) + np.array([6, 0, 0])).clip(0, 255).astype(np.uint8))
    assert compare([source], warmer).cast == pytest.approx((6, 0, 0), abs=0.5)


def test_an_edit_that_is_one_of_several_sources_changed_nothing() -> None:
    first, second = photo(3), photo(8)
    assert compare([first, second], second).coarse == 0
    assert compare([first, second], second.resize((64, 64))).coarse < 40
    assert compare([first], second).coarse > 100


def test_the_shape_is_measured_whatever_the_size() -> None:
    source = photo(3)
    assert compare([source], source.resize((544, 544))).aspect == 0
    assert compare([source], source.resize((300, 272))).aspect == pytest.approx(0.098, abs=0.001)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (700, 3), (7, 7), (64, 64), (130, 127)])
def test_a_picture_of_any_shape_is_measured_and_a_small_one_is_unsure_to_have_moved(size: tuple[int, int]) -> None:
    source = photo(3).resize(size)
    same = compare([source], source, Image.new("L", size))
    assert (same.coarse, same.corner, same.outside, same.unsure) == (0, 0, 0, True)
    assert compare([source], photo(8)).coarse > 0


def test_a_mask_that_allows_everything_has_no_outside() -> None:
    assert compare([photo(3)], photo(8), Image.new("L", (9, 9), 255)).outside == 0


def test_a_flat_picture_has_no_sharpness_and_nothing_that_moves() -> None:
    flat = Image.new("RGB", (300, 200), "teal")
    found = compare([flat], Image.new("RGB", (300, 200), "navy"))
    assert (found.sharpness, found.tiles, found.unsure, found.border) == (None, 0, True, 0)


def test_a_rim_of_a_pixel_is_no_frame_and_a_bar_of_three_is() -> None:
    source = photo(3).resize((64, 64))
    rim, bar = source.copy(), source.copy()
    rim.paste("black", (0, 0, 64, 1))
    bar.paste("black", (0, 0, 64, 3))
    assert compare([source], rim).border == 0
    assert compare([source], bar).border == pytest.approx(3 / 64, abs=0.0001)


def test_a_thing_taken_from_a_plain_ground_leaves_no_frame() -> None:
    cleared = Image.new("RGB", (200, 200), "#f0f0f0")
    cleared.paste("navy", (60, 40, 160, 150))
    source = cleared.copy()
    source.paste("red", (20, 5, 80, 35))
    assert compare([source], cleared).border == 0
    cleared.paste("black", (0, 0, 200, 10))
    assert compare([source], cleared).border > 0.02


def test_grey_and_palette_pictures_are_as_good_as_rgb() -> None:
    grey = photo(2).convert("L")
    assert compare([grey], grey.convert("P")).coarse == 0
