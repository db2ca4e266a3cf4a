"""Pictures of one row stand in lines of equal height within their column."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.view.cell import MOST, make_cell


def files(folder: Path, *sizes: tuple[int, int]) -> list[Path | None]:
    paths: list[Path | None] = []
    for k, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{k}.png")
        paths.append(folder / f"{k}.png")
    return paths


def test_one_picture_is_as_large_as_fits(tmp_path: Path) -> None:
    (one,) = make_cell(files(tmp_path, (800, 400)), width=400, height=300).placed
    assert (one.left, one.top, one.width, one.height) == (0, 0, 400, 200)


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (192, 192)), ((80, 48), (160, 96)), ((150, 20), (150, 20))])
def test_a_small_picture_is_enlarged_by_a_whole_factor(
    tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    (one,) = make_cell(files(tmp_path, size), width=400, height=300).placed
    assert (one.width, one.height) == shown
    assert one.image is not None
    assert one.image.size == shown


@pytest.mark.parametrize("sizes", [[(10, 10)] * 2, [(300, 100), (100, 300), (50, 50)], [(90, 60)] * 4, [(1, 900)] * 9])
def test_a_line_has_one_height_and_fits_the_width(tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    cell = make_cell(files(tmp_path, *sizes), width=400, height=300)
    assert len(cell.placed) == len(sizes)
    assert max(one.left + one.width for one in cell.placed) <= 404
    for top in {one.top for one in cell.placed}:
        assert len({one.height for one in cell.placed if one.top == top}) == 1
    assert all(one.image is not None and one.image.size == (one.width, one.height) for one in cell.placed)


def test_a_missing_picture_keeps_its_place_and_the_tenth_is_left_out(tmp_path: Path) -> None:
    cell = make_cell([None, *files(tmp_path, (60, 40)), *[None] * 20], width=400, height=300)
    assert len(cell.placed) == MOST
    assert [one.image is None for one in cell.placed[:3]] == [True, False, True]


def test_no_pictures_take_no_room() -> None:
    assert make_cell([], width=400, height=300).height == 0
