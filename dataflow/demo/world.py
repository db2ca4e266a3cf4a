"""The drawn world of the demo model: scenes of up to three shapes on a coloured background, and their pictures.

Positions are whole pixels, and every shape is pasted from one antialiased stencil, so a scene is drawn in some 50
microseconds and its truth is exact. Shapes are at least two pixels apart, and no two shapes of a scene share both
colour and kind, so "the red star" always names one shape.
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 64  # width and height of a picture in pixels
GAP = 2  # the least pixels between two shapes

KINDS = ("circle", "square", "triangle", "star", "cross")
SIZES = {"small": 7.0, "medium": 9.0, "large": 11.0}
COLOURS = {
    "red": (220, 30, 40),
    "green": (30, 150, 60),
    "blue": (40, 80, 230),
    "yellow": (255, 225, 30),
    "orange": (250, 130, 10),
    "purple": (140, 40, 180),
    "cyan": (40, 205, 235),
    "pink": (255, 105, 195),
}
BACKGROUNDS = {
    "white": (250, 250, 250),
    "black": (15, 15, 15),
    "grey": (128, 128, 128),
    "brown": (100, 60, 30),
    "beige": (225, 200, 160),
    "navy": (15, 25, 110),
}
PLACES = {
    "top left": (12, 12),
    "top": (32, 12),
    "top right": (52, 12),
    "left": (12, 32),
    "centre": (32, 32),
    "right": (52, 32),
    "bottom left": (12, 52),
    "bottom": (32, 52),
    "bottom right": (52, 52),
}

_SUPERSAMPLING = 8  # a stencil is drawn at 8 times its size and averaged, which makes its edges smooth
_REACH = 12  # pixels from a stencil's centre to its edge: the largest radius, and a pixel for the smooth edge

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of a scene.

    Args:
        kind: one of KINDS.
        colour: a key of COLOURS.
        size: a key of SIZES.
        x: the column of the pixel at its centre, counted from the left.
        y: the row of the pixel at its centre, counted from the top.
    """

    kind: str
    colour: str
    size: str
    x: int
    y: int

    @property
    def radius(self) -> float:
        """Half the side of the square that holds the shape, in pixels."""
        return SIZES[self.size]

    @property
    def pair(self) -> tuple[str, str]:
        """The shape's colour and kind, which name it within its scene."""
        return self.colour, self.kind


@dataclass(frozen=True, slots=True)
class Scene:
    """Shapes on a background.

    Args:
        shapes: up to three shapes; their order means nothing.
        background: a key of BACKGROUNDS.
    """

    shapes: tuple[Shape, ...]
    background: str


def stays_inside(shape: Shape) -> bool:
    """Whether the shape lies wholly on the picture."""
    margin = ceil(shape.radius - 0.5)
    return margin <= shape.x < SIDE - margin and margin <= shape.y < SIDE - margin


def stand_apart(first: Shape, second: Shape) -> bool:
    """Whether the squares holding the two shapes are at least GAP pixels apart."""
    return max(abs(first.x - second.x), abs(first.y - second.y)) >= first.radius + second.radius + GAP


def is_valid(scene: Scene) -> bool:
    """Whether every shape lies wholly on the picture and apart from the others, and no two have the same pair."""
    shapes = scene.shapes
    if len({shape.pair for shape in shapes}) != len(shapes) or not all(map(stays_inside, shapes)):
        return False
    return all(stand_apart(shape, earlier) for i, shape in enumerate(shapes) for earlier in shapes[:i])


def nearest_place(shape: Shape) -> str:
    """The named place whose centre is nearest to the shape's."""
    return min(PLACES, key=lambda place: (PLACES[place][0] - shape.x) ** 2 + (PLACES[place][1] - shape.y) ** 2)


def draw(scene: Scene) -> Image.Image:
    """Draw a scene as an RGB picture of SIDE x SIDE pixels."""
    return Image.fromarray(paint(scene))


def paint(scene: Scene) -> Pixels:
    """Draw a scene as an array of shape (SIDE, SIDE, 3), levels of 0 to 255."""
    canvas = np.empty((SIDE, SIDE, 3), dtype=np.float32)
    canvas[:] = BACKGROUNDS[scene.background]
    for shape in scene.shapes:
        rows, columns, cover = placed_stencil(shape.kind, shape.size, shape.x, shape.y)
        part = canvas[rows, columns]
        part += cover[..., None] * (np.asarray(COLOURS[shape.colour], dtype=np.float32) - part)
    return (canvas + 0.5).astype(np.uint8)


def placed_stencil(kind: str, size: str, x: int, y: int) -> tuple[slice, slice, NDArray[np.float32]]:
    """The rows and columns of the picture that a shape centred on (x, y) may touch, and its cover of each pixel there.

    The cover of a pixel is the share of the pixel, 0 to 1, that lies within the shape.
    """
    top, left = max(0, y - _REACH), max(0, x - _REACH)
    bottom, right = min(SIDE, y + _REACH + 1), min(SIDE, x + _REACH + 1)
    cover = stencil(kind, size)[top - y + _REACH : bottom - y + _REACH, left - x + _REACH : right - x + _REACH]
    return slice(top, bottom), slice(left, right), cover


@cache
def stencil(kind: str, size: str) -> NDArray[np.float32]:
    """The cover, 0 to 1, of each pixel of a square of 25 x 25 pixels around a shape's centre."""
    side = 2 * _REACH + 1
    mask = Image.new("L", (side * _SUPERSAMPLING, side * _SUPERSAMPLING))
    middle, scale = mask.width / 2, SIZES[size] * _SUPERSAMPLING
    # Half a pixel is subtracted because Pillow's polygons include their last pixel.
    corners = [(middle - 0.5 + x * scale, middle - 0.5 + y * scale) for x, y in _outline(kind)]
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    fine = np.asarray(mask, dtype=np.float32).reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING)
    cover: NDArray[np.float32] = fine.mean(axis=(1, 3), dtype=np.float32) / np.float32(255)
    cover.setflags(write=False)
    return cover


def _outline(kind: str) -> list[tuple[float, float]]:
    """The corners of a shape of radius 1 around (0, 0); y points down."""
    if kind == "circle":
        return [(cos(pi * i / 32), sin(pi * i / 32)) for i in range(64)]
    if kind == "square":
        return [(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)]
    if kind == "triangle":
        return [(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)]
    if kind == "star":
        radii = (1.0, 0.5)
        return [(radii[i % 2] * sin(pi * i / 5), -radii[i % 2] * cos(pi * i / 5)) for i in range(10)]
    if kind == "cross":
        arm = 0.33
        quarter = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
        turns = [quarter, [(-y, x) for x, y in quarter], [(-x, -y) for x, y in quarter], [(y, -x) for x, y in quarter]]
        return [corner for turn in turns for corner in turn]
    raise KeyError(kind)
