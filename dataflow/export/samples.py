"""Draws a small picture of some records for the card: inputs, result, and the instruction below."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from dataflow.export.pictures import Pictures
from dataflow.export.records import Image, Record
from dataflow.io.lettering import height, wrap, write

if TYPE_CHECKING:
    from PIL import Image as Pillow

# All in pixels.
_SIDE, _GAP, _EDGE = 220, 12, 20
_WIDTH = 2 * _SIDE + _GAP
_TEXT, _LINES = 15, 3
_WORDS = height(_LINES, size=_TEXT)
_COLUMNS = 2
_QUALITY = 85
_GROUND, _INK = "#ffffff", "#25272c"


def draw_samples(records: Sequence[Record], pictures: Pictures) -> bytes:
    """Draw records as one JPEG of a few hundred KB at most.

    Args:
        records: one or more; each is drawn with its inputs at the left and its result at the right.
        pictures: gives the bytes of the records' pictures.

    Raises:
        RowError: a picture can no longer be read.
    """
    from PIL import Image as Pillow

    tall = _SIDE + _GAP + _WORDS + _EDGE
    lines = -(-len(records) // _COLUMNS)
    size = (_EDGE + min(len(records), _COLUMNS) * (_WIDTH + _EDGE), _EDGE + lines * tall)
    sheet = Pillow.new("RGB", size, _GROUND)
    for number, record in enumerate(records):
        left = _EDGE + number % _COLUMNS * (_WIDTH + _EDGE)
        top = _EDGE + number // _COLUMNS * tall
        _draw(sheet, record, pictures, at=(left, top))
    buffer = BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _draw(sheet: "Pillow.Image", record: Record, pictures: Pictures, *, at: tuple[int, int]) -> None:
    left, top = at
    side = (_SIDE - _GAP * max(0, len(record.images) - 1)) // max(1, len(record.images))
    for number, image in enumerate(record.images):
        _paste(sheet, image, pictures, at=(left + number * (side + _GAP), top), side=side)
    _paste(sheet, record.edited, pictures, at=(left + _SIDE + _GAP, top), side=_SIDE)
    words = record.line if not record.turns else " / ".join(turn.caption.line for turn in record.turns)
    if wrap(words, size=_TEXT, width=_WIDTH, lines=_LINES):
        under = (left, top + _SIDE + _GAP // 2)
        write(sheet, under, words, size=_TEXT, width=_WIDTH, colour=_INK, lines=_LINES)


def _paste(sheet: "Pillow.Image", image: Image, pictures: Pictures, *, at: tuple[int, int], side: int) -> None:
    from PIL import Image as Pillow

    with Pillow.open(BytesIO(pictures.read(image))) as opened:
        small = opened.convert("RGB")
    small.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    sheet.paste(small, (at[0] + (side - small.width) // 2, at[1] + (_SIDE - small.height) // 2))
