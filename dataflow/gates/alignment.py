"""Measures whether a picture was shifted, zoomed or turned, by where each of its 16 tiles went.

The shift of a tile is found by phase correlation, with little weight on high frequencies, or noise would decide; the
brightness of a tile has no weight. Shift, zoom and turn of the whole picture are medians over the tiles, so that the
tiles that were not edited outvote those that were.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

TILE, GRID = 128, 4
NEAR = 1.5  # pixels: a tile agrees with the fit if it differs by no more than this
_TEXTURE = 4.0  # levels: a tile with a lower standard deviation has no texture, and is left out
_REACH = 0.1  # cycles per pixel: standard deviation of the Gaussian that weighs frequencies
_CLEAR = 0.15  # height of a peak, 1 for equal tiles, from which the shift of a tile is believed

Grey = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How one picture lies on another; the fields are those of `Measures` with the same names."""

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    corner: float = 0.0
    agree: float = 0.0
    tiles: int = 0


def align(before: Grey, after: Grey) -> Alignment:
    """Measure how `after` lies on `before`.

    Args:
        before: the source in grey, shape (height, width), levels 0 to 255.
        after: the edit in grey, of the same shape.

    Returns:
        All zeros if the picture is smaller than a tile or has no texture; `tiles` alone if no shift is clear.
    """
    height, width = before.shape
    if min(height, width) < TILE:
        return Alignment()
    places = [(y, x) for y in _starts(height) for x in _starts(width)]
    was, now = (np.stack([grey[y : y + TILE, x : x + TILE] for y, x in places]) for grey in (before, after))
    textured = was.std(axis=(1, 2)) > _TEXTURE
    if not textured.any():
        return Alignment()
    moved, peaks = _displacements(was[textured], now[textured])
    middle = np.array([width, height]) / 2
    centres = np.array([(x + TILE / 2, y + TILE / 2) for y, x in places])[textured] - middle
    clear = peaks > _CLEAR
    if not clear.any():
        return Alignment(tiles=len(moved))
    slopes = np.array([[_slope(centres[clear], moved[clear, to], along) for along in range(2)] for to in range(2)])
    shift = np.median(moved[clear] - centres[clear] @ slopes.T, axis=0)
    off = np.hypot(*(moved - shift - centres @ slopes.T).T)
    corners = middle * np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
    return Alignment(
        shift=(float(shift[0]), float(shift[1])),
        zoom=(float(slopes[0, 0]), float(slopes[1, 1])),
        turn=float(np.degrees(slopes[1, 0] - slopes[0, 1]) / 2),
        corner=float(np.hypot(*(shift + corners @ slopes.T).T).max()),
        agree=float(np.mean((off <= NEAR) & clear)),
        tiles=len(moved),
    )


def _starts(length: int) -> list[int]:
    return [int(start) for start in np.linspace(0, length - TILE, GRID)]


@cache
def _windows() -> tuple[Grey, Grey]:
    """Return the window of a tile and the weights of its spectrum.

    The weights of all frequencies add up to the number of pixels, so that equal tiles have a peak of 1.
    """
    hann = np.hanning(TILE)
    rows, columns = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    weight = np.exp(-(rows**2 + columns**2) / (2 * _REACH**2))
    weight[0, 0] = 0
    both_halves = weight.sum() + weight[:, 1:-1].sum()
    return np.outer(hann, hann).astype(np.float32), (weight * TILE**2 / both_halves).astype(np.float32)


def _displacements(was: Grey, now: Grey) -> tuple[Floats, Floats]:
    """Return how far each tile went to the right and down, in pixels, and the heights of the peaks, 0 to 1.

    Args:
        was: tiles of the source, shape (tiles, TILE, TILE).
        now: tiles of the edit, of the same shape.

    Returns:
        Arrays of the shapes (tiles, 2) and (tiles,).
    """
    window, weight = _windows()
    first, second = (np.fft.rfft2((tiles - tiles.mean(axis=(1, 2), keepdims=True)) * window) for tiles in (was, now))
    cross = np.conj(first) * second
    correlation = np.fft.irfft2(cross / (np.abs(cross) + 1e-3) * weight, s=(TILE, TILE))
    tile, (y, x) = np.arange(len(was)), np.divmod(correlation.reshape(len(was), -1).argmax(axis=1), TILE)
    peak = correlation[tile, y, x]
    down = y + _between(correlation[tile, y - 1, x], peak, correlation[tile, (y + 1) % TILE, x])
    right = x + _between(correlation[tile, y, x - 1], peak, correlation[tile, y, (x + 1) % TILE])
    moved = (np.stack([right, down], axis=1) + TILE / 2) % TILE - TILE / 2  # the correlation is periodic
    return moved, peak


def _between(before: Floats, peak: Floats, after: Floats) -> Floats:
    """Return where the peak lies between three samples, -0.5 to 0.5 from the middle one.

    The logarithm of a Gaussian is a parabola, whose maximum follows from three points.
    """
    low, high, last = (np.log(np.maximum(each, 1e-6)) for each in (before, peak, after))
    bend = low - 2 * high + last
    return np.clip((low - last) / np.where(bend < -1e-6, 2 * bend, -np.inf), -0.5, 0.5)


def _slope(centres: Floats, moved: Floats, along: int) -> float:
    """Return how much further a tile moved for each pixel that it lies further to the right (`along` 0) or down (1).

    The slope is the median over all pairs of tiles in one row or one column (the Theil-Sen estimator).

    Args:
        centres: centres of the tiles, shape (tiles, 2), right and down.
        moved: how far each tile moved in one direction, shape (tiles,).
        along: axis along which the pairs lie.
    """
    first, second = np.triu_indices(len(moved), 1)
    apart = centres[second] - centres[first]
    pairs = (np.abs(apart[:, along]) > 1) & (np.abs(apart[:, 1 - along]) < 1)
    return float(np.median((moved[second] - moved[first])[pairs] / apart[pairs, along])) if pairs.any() else 0.0
