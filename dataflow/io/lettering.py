"""Draw English and Chinese text on pictures, wrapped to a width in pixels.

The font is part of the package (1.5 MB), so that a picture looks the same on every machine. The font has one weight; a
character that the font lacks (emoji, rare Chinese) is drawn as a box.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

FONT_FILE = Path(__file__).parent / "fonts" / "NotoSansSC-subset.otf"

_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff01-\uffef\U00020000-\U0003ffff"
_CLOSERS = "，。、；：！？）》」』】〉〕…—”’％"
_OPENERS = "（《「『【〈〔“‘"
# The pieces between which a line may break: a word, or a wide character with the punctuation that must stay with it
# (Chinese typography lets no closing mark begin a line, and no opening mark end one).
_PIECES = re.compile(
    rf"\n|[^\S\n]+|[{_OPENERS}]*[{_WIDE}][{_CLOSERS}]*|[^\s{_WIDE}{_OPENERS}]+[{_CLOSERS}]*|[{_OPENERS}]+"
)
_UNSEEN = re.compile(
    "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_LINE_HEIGHT = 1.45  # in font sizes: the font's ascent and descent together
_BASELINE = 1.06  # in font sizes, from the top of a line


@lru_cache(maxsize=16)
def font(size: int) -> "ImageFont.FreeTypeFont":
    """The package's font.

    Args:
        size: pixels per em.
    """
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT_FILE), size, layout_engine=ImageFont.Layout.BASIC)


def wrap(text: str, *, size: int, width: int, lines: int | None = None) -> list[str]:
    """Break text into lines.

    Args:
        text: any text; its own line breaks are kept, control characters become spaces.
        size: pixels per em.
        width: the most pixels of a line.
        lines: the most lines, of which the last ends in "…" if text is left out; None for no limit.
    """
    length = font(size).getlength
    done: list[str] = []
    line = ""
    for match in _PIECES.finditer(_UNSEEN.sub(" ", text).strip()):
        piece = match[0]
        if lines is not None and len(done) > lines:
            break
        if piece == "\n":
            done.append(line.rstrip())
            line = ""
            continue
        if length(line + piece.rstrip()) <= width:
            line += piece
            continue
        if line:
            done.append(line.rstrip())
        line = piece.lstrip()
        while length(line) > width and len(line) > 1:
            fitting = _fitting(line, size, width)
            done.append(line[:fitting])
            line = line[fitting:]
    if line:
        done.append(line.rstrip())
    if lines is not None and len(done) > lines:
        done = done[:lines]
        last = done[-1]
        while last and length(last + "…") > width:
            last = last[:-1]
        done[-1] = last.rstrip(" ，、,") + "…"
    return done


def height(lines: int, *, size: int) -> int:
    """The height in pixels of some lines of text, at `size` pixels per em."""
    return round(lines * size * _LINE_HEIGHT)


def write(
    image: "Image.Image",
    corner: tuple[int, int],
    text: str,
    *,
    size: int,
    width: int,
    colour: str,
    lines: int | None = None,
) -> int:
    """Draw text onto an RGB image.

    Args:
        image: the picture, which is changed in place.
        corner: the left and upper edge of the text, in pixels.
        text: as for `wrap`.
        size: pixels per em.
        width: the most pixels of a line.
        colour: a colour as Pillow takes it, such as "#303030".
        lines: as for `wrap`.

    Returns:
        The height of the text in pixels.
    """
    from PIL import ImageDraw

    left, top = corner
    draw = ImageDraw.Draw(image)
    wrapped = wrap(text, size=size, width=width, lines=lines)
    for k, line in enumerate(wrapped):
        baseline = top + round((k * _LINE_HEIGHT + _BASELINE) * size)
        draw.text((left, baseline), line, font=font(size), fill=colour, anchor="ls")
    return height(len(wrapped), size=size)


def _fitting(text: str, size: int, width: int) -> int:
    """How many characters of one long word fit into a line, at least one; found by bisection."""
    length = font(size).getlength
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if length(text[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low
