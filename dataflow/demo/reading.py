"""Reads a picture of the drawn world back into a scene, by comparing it with drawings; nothing is learned.

The background is the commonest of its colours, every other pixel goes to the nearest colour, and each patch
of one colour is laid over all fifteen stencils. What no scene explains is `Unreadable`: that is an answer,
not an error, and half a shape or a speck too many is enough for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataflow.demo.world import BACKGROUNDS, COLOURS, KINDS, SIDE, SIZES, Scene, Shape, placed_stencil, stencil

Floats = NDArray[np.float32]

# Measured on drawings with noise (deviation 8), JPEG quality 80 and one-pixel shifts: see the tests.
_NEAR_BACKGROUND = 45.0
_LEAST_BACKGROUND = 0.4
_LEAST_CORE = 4
_FURTHEST_COLOUR = 70.0
_WORST_FIT = 0.32
_LEAST_COVER = 0.87
_MOST_COVER = 1.2
_WORST_REST = 56.0
_SEARCH = 2

_REACH = 12


def _softened(covers: Floats) -> Floats:
    """Each cover averaged over 3 x 3 pixels, which takes the noise out of a comparison."""
    padded = np.pad(covers, [(0, 0)] * (covers.ndim - 2) + [(1, 1), (1, 1)])
    across = padded[..., :, :-2] + padded[..., :, 1:-1] + padded[..., :, 2:]
    return np.asarray((across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]) / 9, dtype=np.float32)


def _box(size: str) -> Floats:
    """1 inside the square that holds a shape of this size, with one pixel of rim, else 0."""
    offsets = np.abs(np.arange(-_REACH, _REACH + 1))
    inside = offsets <= SIZES[size] + 1
    return (inside[:, None] & inside[None, :]).astype(np.float32)


_NAMED = tuple((kind, size) for kind in KINDS for size in SIZES)
_STENCILS = np.stack([stencil(kind, size) for kind, size in _NAMED])
_SOFT_STENCILS = _softened(_STENCILS)
_PALETTE = np.asarray(list(COLOURS.values()), dtype=np.float32)
_GROUNDS = np.asarray(list(BACKGROUNDS.values()), dtype=np.float32)
_BOXES = np.stack([_box(size) for _, size in _NAMED])
_COVERED = _STENCILS.sum(axis=(1, 2))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The picture shows no scene of this world; `reason` says what was found."""

    reason: str


def read(picture: Image.Image) -> Scene | Unreadable:
    """The scene that a picture shows, each position to the pixel.

    Args:
        picture: any mode, SIDE x SIDE pixels; another size is unreadable.
    """
    if picture.size != (SIDE, SIDE):
        return Unreadable(f"the picture is {picture.width}x{picture.height}, not {SIDE}x{SIDE}")
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    distances = np.linalg.norm(pixels[:, :, None] - _GROUNDS, axis=-1)
    counts = (distances < _NEAR_BACKGROUND).mean(axis=(0, 1))
    ground = int(counts.argmax())
    if counts[ground] < _LEAST_BACKGROUND:
        return Unreadable("no background colour fills enough of the picture")
    behind = pixels[distances[:, :, ground] < _NEAR_BACKGROUND].mean(axis=0)
    rest = np.broadcast_to(behind, pixels.shape).copy()
    shapes = []
    for patch in _patches(pixels, behind):
        shape = _fitted(pixels, behind, patch)
        if isinstance(shape, Unreadable):
            return shape
        shapes.append(shape)
        _paint_over(rest, pixels, patch, shape)
    off = np.abs(_blurred(pixels - rest)).max(axis=-1)
    if off.max() > _WORST_REST:
        y, x = np.unravel_index(int(off.argmax()), off.shape)
        return Unreadable(f"something that is no shape around pixel ({x}, {y})")
    return Scene(tuple(shapes), list(BACKGROUNDS)[ground])


def _patches(pixels: Floats, behind: Floats) -> list[NDArray[np.bool_]]:
    """Masks of the connected areas of one colour that have an inside, unlike the rim of a shape."""
    candidates = np.concatenate([_PALETTE, behind[None]])
    nearest = np.linalg.norm(pixels[:, :, None] - candidates, axis=-1).argmin(axis=-1)
    labels = np.where(nearest < len(_PALETTE), np.arange(1, SIDE * SIDE + 1).reshape(SIDE, SIDE), 0)
    down, right = nearest[1:] == nearest[:-1], nearest[:, 1:] == nearest[:, :-1]
    while True:
        before = labels.copy()
        np.maximum(labels[1:], labels[:-1] * down, out=labels[1:])
        np.maximum(labels[:-1], labels[1:] * down, out=labels[:-1])
        np.maximum(labels[:, 1:], labels[:, :-1] * right, out=labels[:, 1:])
        np.maximum(labels[:, :-1], labels[:, 1:] * right, out=labels[:, :-1])
        if np.array_equal(before, labels):
            break
    masks = [labels == label for label in np.unique(labels) if label]
    return [mask for mask in masks if _core(mask).sum() >= _LEAST_CORE]


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask whose four neighbours belong to it too."""
    core = np.zeros_like(mask)
    core[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return core


def _fitted(pixels: Floats, behind: Floats, patch: NDArray[np.bool_]) -> Shape | Unreadable:
    """The shape whose stencil lies best over the patch."""
    seen = np.median(pixels[_core(patch)], axis=0)
    gaps = np.linalg.norm(_PALETTE - seen, axis=-1)
    colour = list(COLOURS)[int(gaps.argmin())]
    rows, columns = np.nonzero(patch)
    middle = int(rows.min() + rows.max() + 1) // 2, int(columns.min() + columns.max() + 1) // 2
    if gaps.min() > _FURTHEST_COLOUR:
        return Unreadable(f"a colour of no name around pixel ({middle[1]}, {middle[0]})")
    direction = seen - behind
    cover = ((pixels - behind) @ direction / (direction @ direction)).astype(np.float32).clip(-0.5, 1.5)
    cover = np.pad(_softened(cover), _REACH + _SEARCH)
    best, area, found = np.inf, 0.0, Shape("", "", "", 0, 0)
    for dy in range(-_SEARCH, _SEARCH + 1):
        for dx in range(-_SEARCH, _SEARCH + 1):
            y, x = middle[0] + dy, middle[1] + dx
            window = cover[y + _SEARCH :, x + _SEARCH :][: 2 * _REACH + 1, : 2 * _REACH + 1]
            misfits = (np.abs(window - _SOFT_STENCILS) * _BOXES).sum(axis=(1, 2)) / _COVERED
            i = int(misfits.argmin())
            if misfits[i] < best:
                best, found = float(misfits[i]), Shape(_NAMED[i][0], colour, _NAMED[i][1], x, y)
                area = float((window * _BOXES[i]).sum() / _COVERED[i])
    if best > _WORST_FIT or not _LEAST_COVER <= area <= _MOST_COVER:
        return Unreadable(f"a {colour} patch around pixel ({middle[1]}, {middle[0]}) is no whole shape")
    return found


def _paint_over(rest: Floats, pixels: Floats, patch: NDArray[np.bool_], shape: Shape) -> None:
    """Adds a shape that was found to the picture of all that is explained, in the colour it was seen in."""
    rows, columns, cover = placed_stencil(shape.kind, shape.size, shape.x, shape.y)
    seen = np.median(pixels[_core(patch)], axis=0)
    rest[rows, columns] += cover[..., None] * (seen - rest[rows, columns])


def _blurred(values: Floats) -> Floats:
    """Means over 5 x 5 pixels: noise and soft edges cancel out, a spot does not."""
    padded = np.pad(values, ((2, 2), (2, 2), (0, 0)))
    across = np.sum([padded[:, i : i + SIDE] for i in range(5)], axis=0)
    down = np.sum([across[i : i + SIDE] for i in range(5)], axis=0)
    return np.asarray(down / 25, dtype=np.float32)
