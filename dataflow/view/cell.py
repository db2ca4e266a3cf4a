"""Sets the pictures of one column of a card in lines, each of one height, within the column's width."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.decode import BadPicture
from dataflow.io.lettering import font
from dataflow.view.thumbnail import thumbnail

if TYPE_CHECKING:
    from PIL import Image

GAP = 10
MOST = 9
GROUND, QUIET = "#f3f3f0", "#85878d"
_MISSING_SIZE = (240, 160)
_SMALL = 200  # pixels: a smaller single picture is enlarged up to this by a whole factor, or to the cell's width


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture and its place in the cell, in pixels; `image` is None for a picture that cannot be read."""

    image: "Image.Image | None"
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Cell:
    """The pictures in one column of a card."""

    placed: tuple[Placed, ...]

    @property
    def height(self) -> int:
        """Pixels from the upper edge of the first line to the lower edge of the last."""
        return max((picture.top + picture.height for picture in self.placed), default=0)


def make_cell(paths: Sequence[Path | None], *, width: int, height: int) -> Cell:
    """Read pictures and set them: one picture as large as fits, several in lines of two or three.

    Args:
        paths: files of the pictures, of which the first nine are read; None for a picture that was not found.
        width: of the column, in pixels.
        height: most pixels of a single picture; a line of several pictures has at most 0.6 of it.
    """
    images = [_read(path, (width, height)) for path in paths[:MOST]]
    per_line = 1 if len(images) == 1 else 2 if len(images) <= 4 else 3
    placed: list[Placed] = []
    top = 0
    most = height if len(images) == 1 else height * 0.6
    for start in range(0, len(images), per_line):
        line = images[start : start + per_line]
        sizes = [_MISSING_SIZE if image is None else image.size for image in line]
        room = width - GAP * (len(line) - 1)
        fitting = room / sum(wide / tall for wide, tall in sizes)
        tall = max(1, int(min(fitting, most)))
        left = 0
        for image, (wide, high) in zip(line, sizes, strict=True):
            across = max(1, round(wide * tall / high))
            if len(images) == 1 and image is not None:
                factor = min(max(1, _SMALL // max(image.size)), width / image.width)
                across, tall = round(image.width * factor), round(image.height * factor)
            placed.append(Placed(_scaled(image, (across, tall)), left, top, across, tall))
            left += across + GAP
        top += tall + GAP
        most = tall
    return Cell(tuple(placed))


def draw_cell(sheet: "Image.Image", cell: Cell, at: tuple[int, int]) -> None:
    """Draw the pictures of a cell onto a sheet.

    Args:
        sheet: an RGB picture.
        cell: made by `make_cell`.
        at: left and upper edge of the cell on the sheet, in pixels.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    for picture in cell.placed:
        left, top = at[0] + picture.left, at[1] + picture.top
        if picture.image is not None:
            sheet.paste(picture.image, (left, top))
        else:
            draw.rectangle((left, top, left + picture.width - 1, top + picture.height - 1), fill=GROUND)
            centre = (left + picture.width // 2, top + picture.height // 2)
            draw.text(centre, "no picture", font=font(15), fill=QUIET, anchor="mm")


def _read(path: Path | None, box: tuple[int, int]) -> "Image.Image | None":
    if path is None:
        return None
    try:
        return thumbnail(path, box)
    except BadPicture:
        return None


def _scaled(image: "Image.Image | None", size: tuple[int, int]) -> "Image.Image | None":
    from PIL import Image

    return image if image is None or image.size == size else image.resize(size, Image.Resampling.LANCZOS)
