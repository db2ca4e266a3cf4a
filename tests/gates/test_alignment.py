"""Where a picture went: shift, zoom and turn of textured arrays, by tiles."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dataflow.gates.alignment import GRID, TILE, Alignment, align

SIZE = 384


@pytest.fixture(scope="module")
def texture() -> NDArray[np.float32]:
    """Waves of many lengths, larger than a picture by a margin on each side."""
    chance = np.random.default_rng(3)
    spectrum = np.fft.rfft2(chance.standard_normal((SIZE + 64, SIZE + 64)))
    y, x = np.fft.fftfreq(SIZE + 64)[:, None], np.fft.rfftfreq(SIZE + 64)[None]
    waves = np.fft.irfft2(spectrum * np.exp(-(y**2 + x**2) / 0.01))
    return (128 + 40 * waves / waves.std()).astype(np.float32)


def cut(whole: NDArray[np.float32], right: int = 0, down: int = 0) -> NDArray[np.float32]:
    """The middle of it, as if its things had moved."""
    return whole[32 - down : 32 - down + SIZE, 32 - right : 32 - right + SIZE]


def test_a_picture_lies_on_itself(texture: NDArray[np.float32]) -> None:
    same = align(cut(texture), cut(texture))
    assert (same.agree, same.tiles) == (1, GRID**2)
    assert same.corner == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("right", "down"), [(5, -3), (-12, 0), (0, 20)])
def test_a_shift_is_told_in_pixels_to_the_right_and_down(texture: NDArray[np.float32], right: int, down: int) -> None:
    moved = align(cut(texture), cut(texture, right, down))
    assert moved.shift == pytest.approx((right, down), abs=0.2)
    assert moved.corner == pytest.approx(np.hypot(right, down), abs=0.3)
    assert (moved.zoom, moved.turn) == (pytest.approx((0, 0), abs=2e-3), pytest.approx(0, abs=0.1))


def test_a_brighter_picture_has_not_moved(texture: NDArray[np.float32]) -> None:
    assert align(cut(texture), 0.5 * cut(texture) + 90).corner < 0.05


def test_what_was_edited_is_outvoted_by_what_was_not(texture: NDArray[np.float32]) -> None:
    edited = cut(texture).copy()
    edited[: SIZE // 2, : SIZE // 2] = cut(texture, 30, 30)[: SIZE // 2, : SIZE // 2]
    found = align(cut(texture), edited)
    assert found.shift == pytest.approx((0, 0), abs=0.1)
    assert 0.5 < found.agree < 1


def test_a_small_or_flat_picture_tells_nothing(texture: NDArray[np.float32]) -> None:
    assert align(texture[: TILE - 1], texture[: TILE - 1]) == Alignment()
    flat = np.full((SIZE, SIZE), 90, np.float32)
    assert align(flat, flat) == Alignment()


def test_pictures_with_nothing_in_common_have_no_shift(texture: NDArray[np.float32]) -> None:
    noise = np.random.default_rng(1).standard_normal((SIZE, SIZE)).astype(np.float32) * 40
    assert align(cut(texture), noise).agree < 0.3
