"""Whether a picture moved, grew or turned: where each of 16 tiles went, and what most of them have in common.

A tile is found by phase correlation. High frequencies count little there, or noise would decide, and how bright
a tile is counts nothing. What they have in common is made of medians, so what was edited is outvoted by what was not.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

TILE, GRID = 128, 4
NEAR = 1.5  # pixels by which a tile that agrees may differ from the fit
_TEXTURE = 4.0  # levels: standard deviation below which a tile says nothing
_REACH = 0.1  # cycles per pixel: width of the Gaussian that weighs frequencies
_CLEAR = 0.15  # height of the peak, 1 for equal tiles, from which it is no accident

Grey = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """See `Measures`, whose fields of the same names these are."""

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    corner: float = 0.0
    agree: float = 0.0
    tiles: int = 0


def align(before: Grey, after: Grey) -> Alignment:
    """How `after` lies on `before`.

    Args:
        before: (height, width), levels.
        after: of the same shape.
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
    """The tile's window and the weights of its spectrum, whose sum over all frequencies is the number of pixels."""
    hann = np.hanning(TILE)
    rows, columns = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    weight = np.exp(-(rows**2 + columns**2) / (2 * _REACH**2))
    weight[0, 0] = 0
    both_halves = weight.sum() + weight[:, 1:-1].sum()
    return np.outer(hann, hann).astype(np.float32), (weight * TILE**2 / both_halves).astype(np.float32)


def _displacements(was: Grey, now: Grey) -> tuple[Floats, Floats]:
    """Of each tile how far it went to the right and down, in pixels, and how clear that is."""
    window, weight = _windows()
    first, second = (np.fft.rfft2((tiles - tiles.mean(axis=(1, 2), keepdims=True)) * window) for tiles in (was, now))
    cross = np.conj(first) * second
    correlation = np.fft.irfft2(cross / (np.abs(cross) + 1e-3) * weight, s=(TILE, TILE))
    peaks = correlation.reshape(len(was), -1)
    at = peaks.argmax(axis=1)
    number, (y, x) = np.arange(len(was)), np.divmod(at, TILE)
    down = y + _between(correlation[number, y - 1, x], peaks[number, at], correlation[number, (y + 1) % TILE, x])
    right = x + _between(correlation[number, y, x - 1], peaks[number, at], correlation[number, y, (x + 1) % TILE])
    moved = (np.stack([right, down], axis=1) + TILE / 2) % TILE - TILE / 2
    return moved, peaks[number, at]


def _between(left: Floats, top: Floats, right: Floats) -> Floats:
    """Where between three samples the peak lies; a Gaussian is a parabola once its logarithm is taken."""
    low, high, last = (np.log(np.maximum(each, 1e-6)) for each in (left, top, right))
    bend = low - 2 * high + last
    return np.clip((low - last) / np.where(bend < -1e-6, 2 * bend, -np.inf), -0.5, 0.5)


def _slope(centres: Floats, moved: Floats, along: int) -> float:
    """How much more a tile moved for each pixel that it lies further to the right (or down, where `along` is 1).

    The median over all pairs of one row (of one column), after Theil and Sen.
    """
    first, second = np.triu_indices(len(moved), 1)
    apart = centres[second] - centres[first]
    pairs = (np.abs(apart[:, along]) > 1) & (np.abs(apart[:, 1 - along]) < 1)
    return float(np.median((moved[second] - moved[first])[pairs] / apart[pairs, along])) if pairs.any() else 0.0
