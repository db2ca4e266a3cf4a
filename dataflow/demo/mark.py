"""The mark that stands in for an edit: the picture that was sent, framed, with the instruction written on it.

It pretends nothing: every picture says that no model made it. The frame's colour follows from the
instruction alone, so two instructions are told apart at a glance and the same request gives the same bytes.
"""

import colorsys
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.io.lettering import height, wrap, write

if TYPE_CHECKING:
    from PIL import Image

LABEL = "DEMO – not a model"
MAX_SIDE = 2048
CARD_SIDE = 768

Colour = tuple[int, int, int]


def mark(pictures: "Sequence[Image.Image]", instruction: str) -> "Image.Image":
    """Draw the answer of the demo.

    Args:
        pictures: n RGB images, any size; several are set side by side, none gives a card.
        instruction: what was asked.

    Returns:
        An RGB image; for one picture of the same size as it, up to 2048 pixels a side.
    """
    colour = colour_of(instruction)
    if not pictures:
        return _card(instruction, colour)
    canvas = _side_by_side(pictures)
    _write_banner(canvas, instruction, colour)
    _frame(canvas, colour)
    return canvas


def colour_of(instruction: str) -> Colour:
    """A strong colour that follows from the instruction's text."""
    hue = int.from_bytes(hashlib.sha256(instruction.encode("utf-8", "replace")).digest()[:2], "big") / 65536
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.56, 0.78))
    return red, green, blue


def _side_by_side(pictures: "Sequence[Image.Image]") -> "Image.Image":
    from PIL import Image

    tall = min(MAX_SIDE, max(picture.height for picture in pictures))
    widths = [max(1, round(picture.width * tall / picture.height)) for picture in pictures]
    gap = max(2, tall // 64) if len(pictures) > 1 else 0
    shrink = min(1.0, MAX_SIDE / (sum(widths) + gap * (len(pictures) - 1)))
    tall = max(1, round(tall * shrink))
    widths = [max(1, int(width * shrink)) for width in widths]
    canvas = Image.new("RGB", (sum(widths) + gap * (len(pictures) - 1), tall), "white")
    left = 0
    for picture, width in zip(pictures, widths, strict=True):
        size = (width, tall)
        canvas.paste(picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS), (left, 0))
        left += width + gap
    return canvas


def _write_banner(canvas: "Image.Image", instruction: str, colour: Colour) -> None:
    from PIL import Image

    size = max(9, round(min(canvas.height / 13, max(canvas.width / 54, canvas.height / 24))))
    small = max(8, round(size * 0.7))
    edge = _frame_width(canvas)
    inner = max(1, canvas.width - 2 * edge - 2 * size)
    lines = len(wrap(instruction, size=size, width=inner, lines=3))
    tall = min(canvas.height, height(lines, size=size) + height(1, size=small) + size + edge)
    top = canvas.height - tall
    box = (0, top, canvas.width, canvas.height)
    below = canvas.crop(box)
    canvas.paste(Image.blend(below, Image.new("RGB", below.size, (16, 18, 24)), 0.78), box)
    at = (edge + size, top + size // 3)
    used = write(canvas, at, LABEL, size=small, width=inner, colour=_hex(_lighter(colour, 0.45)), lines=1)
    write(canvas, (at[0], at[1] + used), instruction, size=size, width=inner, colour="#ffffff", lines=3)


def _frame(canvas: "Image.Image", colour: Colour) -> None:
    from PIL import ImageDraw

    box = (0, 0, canvas.width - 1, canvas.height - 1)
    ImageDraw.Draw(canvas).rectangle(box, outline=colour, width=_frame_width(canvas))


def _frame_width(canvas: "Image.Image") -> int:
    return max(1, min(canvas.size) // 80)


def _card(description: str, colour: Colour) -> "Image.Image":
    from PIL import Image

    canvas = Image.new("RGB", (CARD_SIDE, CARD_SIDE), _lighter(colour, 0.8))
    left, width, size = 72, CARD_SIDE - 144, 34
    lines = wrap(description, size=size, width=width, lines=11)
    top = (CARD_SIDE - height(len(lines), size=size)) // 2
    canvas.paste(colour, (left, top - 40, left + 64, top - 32))
    write(canvas, (left, top), description, size=size, width=width, colour="#20242c", lines=11)
    write(canvas, (left, CARD_SIDE - 84), LABEL, size=22, width=width, colour="#5a6070", lines=1)
    _frame(canvas, colour)
    return canvas


def _lighter(colour: Colour, part: float) -> Colour:
    red, green, blue = (round(level + (255 - level) * part) for level in colour)
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
