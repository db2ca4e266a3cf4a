"""Bring pictures to a size without distorting them, and put several pictures on one canvas.

Models draw sizes on a grid, so a picture rarely fits exactly. A misfit of less than one cell of the coarsest grid (32
pixels) is cut off at the edges; a larger misfit is padded.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dataflow.serving.backends import Size

if TYPE_CHECKING:
    from PIL.Image import Image

GRID = 16  # pixels: a latent stands for 8 x 8 pixels, and transformers read patches of 2 x 2 latents
MEGAPIXEL = 1024 * 1024
_CUT_AT_MOST = 32  # pixels, both edges together


def on_grid(size: Size, grid: int = GRID) -> Size:
    """The nearest size with both sides multiples of `grid`."""
    return _rounded(size[0], grid), _rounded(size[1], grid)


def at_area(size: Size, area: int) -> Size:
    """The size on the grid with this picture's aspect and about `area` pixels."""
    scale = math.sqrt(area / (size[0] * size[1]))
    return on_grid((round(size[0] * scale), round(size[1] * scale)))


def within_a_megapixel(size: Size) -> Size:
    """The size itself if it has at most a megapixel; else the size on the grid with its aspect and a megapixel."""
    return at_area(size, MEGAPIXEL) if size[0] * size[1] > MEGAPIXEL else size


def nearest_aspect(size: Size, choices: Iterable[Size]) -> Size:
    """The choice whose aspect is closest; twice as wide is as far away as half as wide."""
    aspect = math.log(size[0] / size[1])
    return min(choices, key=lambda choice: abs(aspect - math.log(choice[0] / choice[1])))


def fit(image: "Image", size: Size, *, around: str = "white") -> "Image":
    """Scale a picture to `size` without distortion, then cut a few pixels off or pad it with the colour `around`."""
    from PIL import Image, ImageOps

    if image.size == size:
        return image
    cover = max(size[0] / image.width, size[1] / image.height)
    cut = max(image.width * cover - size[0], image.height * cover - size[1])
    if cut <= min(_CUT_AT_MOST, min(size) / 4):
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    inner = min(size[0] / image.width, size[1] / image.height)
    if min(image.size) * inner < 1:  # 2000 x 1: `pad` would make its short side nothing
        image = image.resize((max(1, round(image.width * inner)), max(1, round(image.height * inner))))
    return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=around)


def stitched_size(pictures: Sequence[Size]) -> Size:
    """The canvas that `stitch` needs for pictures of these sizes."""
    panels = [_panel(size) for size in pictures]
    return _up(sum(width for width, _ in panels)), _up(max(height for _, height in panels))


def stitch(images: "Sequence[Image]") -> "Image":
    """Put pictures side by side in order, centred on white; a picture above a megapixel is scaled to a megapixel.

    Source: the placement is that of `Flux2ImageProcessor.concatenate_images` of diffusers.
    """
    from PIL import Image

    canvas = Image.new("RGB", stitched_size([image.size for image in images]), "white")
    panels = [image.resize(_panel(image.size), Image.Resampling.LANCZOS) for image in images]
    left = (canvas.width - sum(panel.width for panel in panels)) // 2
    for panel in panels:
        canvas.paste(panel, (left, (canvas.height - panel.height) // 2))
        left += panel.width
    return canvas


def _panel(size: Size) -> Size:
    scale = min(1.0, math.sqrt(MEGAPIXEL / (size[0] * size[1])))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rounded(side: int, grid: int) -> int:
    return max(grid, math.floor(side / grid + 0.5) * grid)


def _up(side: int) -> int:
    return -(-side // GRID) * GRID
