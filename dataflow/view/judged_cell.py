"""Edited pictures with what gates and judge made of each: below the picture if it is the only one, else beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.io.lettering import height, wrap, write
from dataflow.judging.rewording import FAULTS
from dataflow.judging.tries import REFUSED
from dataflow.view.cell import GAP, MOST, QUIET, Cell, draw_cell, make_cell

if TYPE_CHECKING:
    from PIL import Image

_HEADS = {True: ("accepted", "#2c7a3f"), False: ("rejected", "#a8321f"), None: ("unjudged", QUIET)}
_INK = "#4a4d54"
_HEAD, _SMALL = 17, 14  # pixels per em
_BESIDE = 0.45  # of the cell's width for a picture that has its words beside it
_LINES = 8  # of words, at most


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one edit: a word or two with their colour, and why."""

    head: str
    colour: str
    words: str

    def height(self, width: int) -> int:
        """Pixels that it takes."""
        lines = len(wrap(self.words, size=_SMALL, width=width, lines=_LINES))
        return height(1, size=_HEAD) + height(lines, size=_SMALL)

    def draw(self, sheet: "Image.Image", at: tuple[int, int], width: int) -> None:
        """Write it, by its left and upper edge in pixels."""
        used = write(sheet, at, self.head, size=_HEAD, width=width, colour=self.colour, lines=1)
        write(sheet, (at[0], at[1] + used), self.words, size=_SMALL, width=width, colour=_INK, lines=_LINES)


def notes_of(verdict: object, instruction: str) -> list[Note]:
    """A note for each picture of a row's result, in order; empty where nobody judged.

    Args:
        verdict: what the column holds: the verdict of one edit, a list of several, or that of a pair.
        instruction: of the row; what a try asked is told where it is something else.
    """
    if isinstance(verdict, Mapping) and isinstance(verdict.get("verdicts"), list):
        verdict = verdict["verdicts"]
    found = verdict if isinstance(verdict, list) else [verdict]
    shown = [each for each in found if isinstance(each, Mapping) and "accepted" in each]
    return [_note(each, instruction) for each in shown if each.get("gate") != REFUSED]


def refusal_of(verdict: object) -> str:
    """Why the editor refused to make the last edit; empty if it did not."""
    last = verdict[-1] if isinstance(verdict, list) and verdict else verdict
    is_refused = isinstance(last, Mapping) and last.get("gate") == REFUSED
    return f"the editor refused: {last.get('critique', '')}" if is_refused and isinstance(last, Mapping) else ""


def _note(verdict: Mapping[str, object], instruction: str) -> Note:
    accepted, axes, gate = verdict["accepted"], verdict.get("axes"), verdict.get("gate")
    head, colour = _HEADS[accepted if isinstance(accepted, bool) else None]
    at = verdict.get("try")
    number = at + 1 if isinstance(at, int) else verdict.get("tries")
    head += f" at try {number}" if number else ""
    score = verdict.get("score")
    head += f", score {score:.1f}" if isinstance(score, int | float) else ""
    words = [f"gate {gate}: {FAULTS.get(str(gate), 'not passed')}"] if gate else []
    if isinstance(axes, Mapping):
        numbers = [(name, number) for name, number in axes.items() if isinstance(number, int | float)]
        words.append(", ".join(f"{name} {number:g}" for name, number in numbers))
    if verdict.get("critique"):
        words.append(str(verdict["critique"]))
    if verdict.get("prompt") not in (None, instruction):  # last: it may hold an earlier critique and be cut
        words.append(f"asked: {verdict['prompt']}")
    return Note(head, colour, "\n".join(words))


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """Pictures with their notes; all in pixels.

    Args:
        parts: a picture and its note.
        width: of the cell.
    """

    parts: tuple[tuple[Cell, Note], ...]
    width: int

    @property
    def placed(self) -> bool:
        """Whether there is any picture."""
        return bool(self.parts)

    @property
    def height(self) -> int:
        """From the upper edge of the first to the lower edge of the last."""
        return sum(self._height(*part) + GAP for part in self.parts) - GAP

    def draw(self, sheet: "Image.Image", at: tuple[int, int]) -> None:
        """Draw all, by the left and upper edge."""
        left, top = at
        for cell, note in self.parts:
            draw_cell(sheet, cell, (left, top))
            beside = self._beside
            place = (left + beside, top) if beside else (left, top + cell.height + GAP)
            note.draw(sheet, place, self.width - beside)
            top += self._height(cell, note) + GAP

    @property
    def _beside(self) -> int:
        """Where notes begin; 0: below their picture."""
        return round(self.width * _BESIDE) + GAP if len(self.parts) > 1 else 0

    def _height(self, cell: Cell, note: Note) -> int:
        words = note.height(self.width - self._beside)
        return max(cell.height, words) if self._beside else cell.height + GAP + words


def make_judged_cell(paths: Sequence[Path | None], notes: Sequence[Note], *, width: int, height: int) -> JudgedCell:
    """Read the pictures and set them with their notes; pictures and notes beyond the shorter of both are left out.

    Args:
        paths: None for a picture that was not found; after nine the rest is left out.
        notes: one for each.
        width: pixels of the cell.
        height: pixels that one picture may take.
    """
    pairs = [*zip(paths, notes, strict=False)][:MOST]
    wide = width if len(pairs) == 1 else round(width * _BESIDE)
    cells = [make_cell([path], width=wide, height=height if len(pairs) == 1 else wide) for path, _ in pairs]
    return JudgedCell(tuple(zip(cells, (note for _, note in pairs), strict=True)), width)
