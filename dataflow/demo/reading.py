"""Read a picture of the drawn world back into a scene by comparing it with drawings; no model is involved.

The background is the background colour that most pixels are near to. Every other pixel is assigned to its nearest
colour, and each connected patch of one colour is compared with the stencils of all kinds and sizes. A picture that no
scene explains is `Unreadable`, which is a result and not an error; half a shape, or one speck, makes a picture so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataflow.demo.world import BACKGROUNDS, COLOURS, KINDS, SIDE, SIZES, Scene, Shape, placed_stencil, stencil

Floats = NDArray[np.float32]

# Thresholds, measured on drawings with noise (deviation 8), JPEG quality 80 and shifts of one pixel; see
# tests/demo/test_reading.py. Distances are Euclidean, in levels of 0 to 255.
_NEAR_BACKGROUND = 45.0  # distance at which a pixel still counts as background
_LEAST_BACKGROUND = 0.4  # share of the picture that the background must fill
_LEAST_CORE = 4  # pixels of a patch with all four neighbours in it; the soft rim of a shape has fewer
_FURTHEST_COLOUR = 70.0  # distance of a shape's colour from the nearest named colour
_WORST_FIT = 0.32  # difference between a patch and its best stencil, summed over pixels, in areas of the stencil
_LEAST_COVER = 0.87  # area of a patch, as a share of its stencil's
_MOST_COVER = 1.2
_WORST_REST = 56.0  # difference between the picture and the scene that was read, after blurring
_SEARCH = 2  # pixels around the middle of a patch in which its centre is searched

_REACH = 12  # pixels from a stencil's centre to its edge


def _softened(covers: Floats) -> Floats:
    """Average each cover over 3 x 3 pixels, so that noise counts less in a comparison."""
    padded = np.pad(covers, [(0, 0)] * (covers.ndim - 2) + [(1, 1), (1, 1)])
    across = padded[..., :, :-2] + padded[..., :, 1:-1] + padded[..., :, 2:]
    return np.asarray((across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]) / 9, dtype=np.float32)


def _box(size: str) -> Floats:
    """A mask of 1 inside the square that holds a shape of this size and one pixel around it, else 0."""
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
    """The result for a picture that shows no scene of this world.

    Args:
        reason: what the picture shows instead, in words.
    """

    reason: str


def read(picture: Image.Image) -> Scene | Unreadable:
    """Read the scene that a picture shows, with the position of each shape to the pixel.

    Args:
        picture: SIDE x SIDE pixels, of any mode; a picture of another size is unreadable.
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
    """The masks of connected areas of one colour, without areas that are as thin as the soft rim of a shape."""
    candidates = np.concatenate([_PALETTE, behind[None]])
    nearest = np.linalg.norm(pixels[:, :, None] - candidates, axis=-1).argmin(axis=-1)
    labels = np.where(nearest < len(_PALETTE), np.arange(1, SIDE * SIDE + 1).reshape(SIDE, SIDE), 0)
    down, right = nearest[1:] == nearest[:-1], nearest[:, 1:] == nearest[:, :-1]
    # Connected components: every pixel begins with a label of its own, and takes the largest label among its neighbours
    # of the same colour until no label changes.
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
    """The pixels of a mask whose four neighbours are in the mask too."""
    core = np.zeros_like(mask)
    core[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return core


def _fitted(pixels: Floats, behind: Floats, patch: NDArray[np.bool_]) -> Shape | Unreadable:
    """The shape whose stencil fits a patch best, or why no stencil fits."""
    seen = np.median(pixels[_core(patch)], axis=0)
    gaps = np.linalg.norm(_PALETTE - seen, axis=-1)
    colour = list(COLOURS)[int(gaps.argmin())]
    rows, columns = np.nonzero(patch)
    middle = int(rows.min() + rows.max() + 1) // 2, int(columns.min() + columns.max() + 1) // 2
    if gaps.min() > _FURTHEST_COLOUR:
        return Unreadable(f"a colour of no name around pixel ({middle[1]}, {middle[0]})")
    # How far each pixel lies on the way from the background colour (0) to the shape's colour (1).
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
    """Draw a shape that was found onto the picture of all shapes found so far, in the colour that the picture shows."""
    rows, columns, cover = placed_stencil(shape.kind, shape.size, shape.x, shape.y)
    seen = np.median(pixels[_core(patch)], axis=0)
    rest[rows, columns] += cover[..., None] * (seen - rest[rows, columns])


def _blurred(values: Floats) -> Floats:
    """Average values over 5 x 5 pixels: noise and soft edges cancel out, a spot does not."""
    padded = np.pad(values, ((2, 2), (2, 2), (0, 0)))
    across = np.sum([padded[:, i : i + SIDE] for i in range(5)], axis=0)
    down = np.sum([across[i : i + SIDE] for i in range(5)], axis=0)
    return np.asarray(down / 25, dtype=np.float32)
