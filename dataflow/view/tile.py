"""Sets one row of a contact sheet as a card: its pictures in a line, the instruction, and the verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.lettering import height, wrap, write
from dataflow.view.cell import GAP, QUIET, Cell, draw_cell, make_cell
from dataflow.view.notes import Note

if TYPE_CHECKING:
    from PIL import Image

# All in pixels.
WIDTH = 430
_PAD = 14
_INSIDE = WIDTH - 2 * _PAD
_TALL = 260
_LEAST = 130
_EDITS = 4
_WORDS, _HEAD, _SMALL = 16, 14, 13
_LINES, _SMALL_LINES = 3, 4

_CARD, _EDGING, _INK, _SOFT = "#ffffff", "#e2e1dc", "#25272c", "#4a4d54"
_FAILED, _FAILED_GROUND = "#a8321f", "#fbeeeb"


@dataclass(frozen=True, slots=True)
class Tile:
    """A row as it is drawn.

    Args:
        number: of the row, from 1.
        cells: the cell of the input pictures, if there are any, then the cells of results; all have one width.
        words: the instruction.
        notes: one for each result that was judged.
        reason: why there is no result; empty: not known, or there is a result.
        has_result: whether the row has a result.
    """

    number: int
    cells: tuple[Cell, ...]
    words: str
    notes: tuple[Note, ...]
    reason: str
    has_result: bool

    @property
    def rank(self) -> int:
        """The key by which cards are sorted: 0 without a result, 1 if no edit was accepted, 2 else."""
        if not self.has_result:
            return 0
        return 1 if self.notes and not any(note.head.startswith("accepted") for note in self.notes) else 2

    @property
    def cell_width(self) -> int:
        """Width of each cell, in pixels."""
        parts = len(self.cells) + (not self.has_result)
        return (_INSIDE - GAP * (parts - 1)) // max(1, parts)

    @property
    def pictures_height(self) -> int:
        """Height of the line of pictures, in pixels."""
        return max(0 if self.has_result else _LEAST, *(cell.height for cell in self.cells), 0)

    @property
    def height(self) -> int:
        """Height of the whole card, in pixels."""
        return self.pictures_height + sum(height(lines, size=size) for _, lines, size, _ in self._texts()) + 3 * _PAD

    def draw(self, sheet: "Image.Image", at: tuple[int, int], tall: int) -> None:
        """Draw the card onto a sheet.

        Args:
            sheet: an RGB picture.
            at: left and upper edge of the card on the sheet, in pixels.
            tall: height of the card in pixels, at least `height`: cards of one line have one height.
        """
        from PIL import ImageDraw

        draw = ImageDraw.Draw(sheet)
        draw.rounded_rectangle((*at, at[0] + WIDTH - 1, at[1] + tall - 1), 10, fill=_CARD, outline=_EDGING)
        left, top = at[0] + _PAD, at[1] + _PAD
        for cell in self.cells:
            draw_cell(sheet, cell, (left, top))
            left += self.cell_width + GAP
        if not self.has_result:
            box = (left, top, left + self.cell_width - 1, top + self.pictures_height - 1)
            draw.rounded_rectangle(box, 8, fill=_FAILED_GROUND)
            lines = max(1, (self.pictures_height - 2 * _PAD) // height(1, size=_SMALL))
            what = self.reason or "failed"
            inside = (left + 10, top + 10)
            write(sheet, inside, what, size=_SMALL, width=self.cell_width - 20, colour=_FAILED, lines=lines)
        top += self.pictures_height + _PAD
        for text, lines, size, colour in self._texts():
            write(sheet, (at[0] + _PAD, top), text, size=size, width=_INSIDE, colour=colour, lines=lines)
            top += height(lines, size=size)

    def _texts(self) -> list[tuple[str, int, int, str]]:
        """The texts below the pictures: text, number of lines, size in pixels, and colour."""
        texts = [(f"{self.number}.  {self.words}", _LINES, _WORDS, _INK)]
        for note in self.notes:
            texts.append((note.head, 1, _HEAD, note.colour))
            if note is self.notes[-1] and note.words:
                texts.append((note.words, _SMALL_LINES, _SMALL, _SOFT))
        if not self.has_result and not self.notes:
            texts.append(("no result", 1, _HEAD, QUIET))
        return [
            (text, min(most, len(wrap(text, size=size, width=_INSIDE, lines=most))), size, colour)
            for text, most, size, colour in texts
        ]


def make_tile(
    number: int,
    before: Sequence[Path | None],
    after: Sequence[Path | None],
    *,
    words: str,
    notes: Sequence[Note] = (),
    reason: str = "",
) -> Tile:
    """Read a row's pictures and set them.

    Args:
        number: of the row, from 1.
        before: files of the input pictures; None for a picture that was not found.
        after: files of the results; judged results have a cell each, others share one cell.
        words: the instruction.
        notes: one for each result that was judged.
        reason: why there is no result; empty: not known.
    """
    shown = after[:_EDITS]
    results = [[path] for path in shown] if notes else [list(after)] if after else []
    parts = [*([list(before)] if before else []), *results]
    across = (_INSIDE - GAP * (len(parts) - bool(after))) // max(1, len(parts) + (not after))
    cells = tuple(make_cell(part, width=across, height=_TALL) for part in parts)
    return Tile(number, cells, words, tuple(notes[:_EDITS]), reason, bool(after))
