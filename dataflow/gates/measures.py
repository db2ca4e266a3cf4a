"""Computes how an edit differs from its source, with numpy and Pillow alone.

Both pictures are scaled to at most 512 pixels, and changes are measured in the means of blocks of 8 x 8 pixels. The
errors of a decoder or a JPEG in single pixels cancel out in a mean, and a small true edit does not. By single pixels,
half of the edits that changed nothing pass as edits, or half of the small edits are lost (measured in November 2026,
see benchmarks/README.md).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataflow.gates.alignment import align
from dataflow.gates.measured import Measures

LONGEST = 512  # pixels
BLOCK = 8  # pixels
CHANGED, HOT, SEEN = 8.0, 40.0, 20.0  # levels: of a changed block, of a hot pixel, of a changed pixel outside a mask
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # Source: ITU-R BT.601
_PLAIN, _LIKE, _STEP = 3.5, 6.0, 4.0  # levels: variation in a plain line, between lines of one colour, at a band's end
_NARROWEST = 3  # pixels: a narrower band is the rim that some decoders make
_TEXTURE = 2.0  # standard deviation of the Laplacian, below which a picture has no texture

Levels = NDArray[np.float32]


def compare(sources: Sequence[Image.Image], edited: Image.Image, mask: Image.Image | None = None) -> Measures:
    """Measure an edit against its sources.

    Args:
        sources: the source pictures, of any size and mode.
        edited: the edit, of any size and mode.
        mask: a picture of the first source's shape, white where the edit was allowed; None: there is none.
    """
    shape = _size(sources[0])
    before, after = _levels(sources[0], shape), _levels(edited, shape)
    difference = after - before
    blocks = _block_means(difference)
    change = _largest(blocks)
    still = change <= np.median(change)  # the half of the blocks that changed least
    nearest = min((change, *(_change(source, edited) for source in sources[1:])), key=lambda each: float(each.max()))
    moved = align(before @ _GREY, after @ _GREY)
    red, green, blue = (_rounded(np.median(blocks[still][:, channel])) for channel in range(3))
    return Measures(
        coarse=_rounded(nearest.max()),
        median=_rounded(np.median(nearest)),
        changed=_rounded(np.mean(change > CHANGED)),
        hot=_rounded(np.mean(_largest(difference) > HOT)),
        aspect=_rounded(abs(math.log(edited.width * sources[0].height / (edited.height * sources[0].width)))),
        shift=(_rounded(moved.shift[0]), _rounded(moved.shift[1])),
        zoom=(_rounded(moved.zoom[0]), _rounded(moved.zoom[1])),
        turn=_rounded(moved.turn),
        corner=_rounded(moved.corner),
        agree=_rounded(moved.agree),
        tiles=moved.tiles,
        cast=(red, green, blue),
        border=_rounded(_border(before, after)),
        sharpness=_sharpness(before @ _GREY, after @ _GREY, still),
        outside=None if mask is None else _rounded(_outside(difference, mask)),
    )


def _rounded(value: float | np.floating) -> float:
    """Round to four digits, so that the journal does not depend on the processor or the version of numpy."""
    return round(float(value), 4) + 0.0


def _size(image: Image.Image) -> tuple[int, int]:
    scale = min(1.0, LONGEST / max(image.size))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _levels(image: Image.Image, size: tuple[int, int]) -> Levels:
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    if rgb.size != size:
        rgb = rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(rgb, dtype=np.float32)


def _change(source: Image.Image, edited: Image.Image) -> Levels:
    size = _size(source)
    return _largest(_block_means(_levels(edited, size) - _levels(source, size)))


def _largest(changes: Levels) -> Levels:
    """Return the absolute change of the channel that changed most, without the axis of channels."""
    largest: Levels = np.abs(changes).max(axis=2)
    return largest


def _edges(length: int) -> NDArray[np.intp]:
    """Return where blocks begin. All are about the same size: the mean of a narrow rest at the rim would be noise."""
    return np.linspace(0, length, max(1, length // BLOCK), endpoint=False).astype(np.intp)


def _block_means(levels: Levels) -> Levels:
    height, width = levels.shape[:2]
    rows, columns = _edges(height), _edges(width)
    sums = np.add.reduceat(np.add.reduceat(levels, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    means: Levels = (sums / counts[:, :, None]).astype(np.float32)
    return means


def _sharpness(before: Levels, after: Levels, still: NDArray[np.bool_]) -> float | None:
    height, width = before.shape
    if min(height, width) < 3:
        return None
    rows = np.searchsorted(_edges(height), np.arange(1, height - 1), side="right") - 1
    columns = np.searchsorted(_edges(width), np.arange(1, width - 1), side="right") - 1
    where = still[np.ix_(rows, columns)]
    was, now = (float(np.std(_laplacian(each)[where])) for each in (before, after))
    return None if was < _TEXTURE else _rounded(now / was)


def _laplacian(grey: Levels) -> Levels:
    middle = grey[1:-1, 1:-1]
    return grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle


def _border(before: Levels, after: Levels) -> float:
    """Return the width of the widest new plain band at one of the four edges, as a share of the picture."""
    widest = 0.0
    for turns in range(4):
        was, now = np.rot90(before, turns), np.rot90(after, turns)
        depth = _band(now)
        more = depth - _band(was)
        if more >= _NARROWEST and _ends_sharply(now, depth) and not _was_there(was, now, depth):
            widest = max(widest, more / len(now))
    return widest


def _band(levels: Levels) -> int:
    """Return how many lines from the first on have one colour; only a quarter of the picture is searched."""
    lines = levels[: max(1, len(levels) // 4)]
    means = lines.mean(axis=1)
    spread = np.abs(lines - means[:, None]).mean(axis=1).max(axis=1)
    plain = (spread < _PLAIN) & (np.abs(means - means[0]).max(axis=1) < _LIKE)
    return int(len(plain) if plain.all() else plain.argmin())


def _ends_sharply(levels: Levels, depth: int) -> bool:
    """Whether the line behind a band differs from the band's last line: a bar ends there, and a sky fades."""
    last, behind = levels[max(0, depth - 2)], levels[min(depth + 1, len(levels) - 1)]
    parts = np.add.reduceat(behind - last, _edges(len(last)), axis=0) / BLOCK  # in means of blocks noise cancels out
    return bool(np.abs(parts).mean(axis=0).max() > _STEP)


def _was_there(before: Levels, after: Levels, depth: int) -> bool:
    """Whether the band is plain ground that the source has, too: a thing before it was removed, and no frame added."""
    ground = after[:depth].mean(axis=(0, 1))
    return bool(np.mean(_largest(before[:depth] - ground) < 2 * _LIKE) > 0.5)


def _outside(difference: Levels, mask: Image.Image) -> float:
    """Return the share of the pixels outside the mask that changed; the mask is widened by a few pixels first."""
    height, width = difference.shape[:2]
    allowed = np.asarray(mask.convert("L").resize((width, height), Image.Resampling.BOX)) >= 128
    allowed = _grown(allowed, max(1, max(height, width) // 128))
    # The change of a single pixel may be an error of compression, and the mean over nine pixels spreads an edit by one
    # pixel. So a pixel counts as changed if both changed, and if most of the nine pixels around it did.
    own, around = _largest(difference), _largest(_nine(difference))
    seen = _nine((own > SEEN) & (around > 9 * 0.75 * SEEN)) >= 5
    outside = ~allowed
    return float(np.mean(seen[outside])) if outside.any() else 0.0


def _nine(values: NDArray[Any]) -> NDArray[Any]:
    """Return the sum of each pixel and the eight pixels around it."""
    padded = np.pad(values, ((1, 1), (1, 1), *((0, 0),) * (values.ndim - 2)), mode="edge")
    if values.dtype == np.bool_:
        padded = padded.astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    summed: NDArray[Any] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return summed


def _grown(where: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Return the area widened by a number of pixels in all four directions."""
    for _ in range(pixels):
        padded = np.pad(where, 1)
        where = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return where
