"""One PNG that shows what a run made: before, instruction, after, a card to a row; drawings have nothing before them.

Where gates and a judge were asked, each edit has their verdict beside it.

Rows are read as they come and at most `limit` of them; of their pictures only thumbnails are held.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.core.columns import prompts
from dataflow.core.words import count_of
from dataflow.errors import RowError
from dataflow.io.lettering import font, height, wrap, write
from dataflow.judging.verdict import VERDICT
from dataflow.utils.files import write_atomic
from dataflow.view.cell import GROUND, QUIET, Cell, draw_cell, make_cell
from dataflow.view.judged_cell import JudgedCell, make_judged_cell, notes_of, refusal_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# All in pixels.
WIDTH = 1400
_EDGE = 40
_PAD = 20
_BETWEEN = 30
_WORDS = 350
_CELL = (WIDTH - 2 * (_EDGE + _PAD + _BETWEEN) - _WORDS) // 2
_BEFORE = _EDGE + _PAD
_MIDDLE = _BEFORE + _CELL + _BETWEEN
_AFTER = _MIDDLE + _WORDS + _BETWEEN
_TO_MIDDLE = _MIDDLE - _BEFORE
_TALL = 360
_LEAST = 120
_CARD_GAP = 16
_HEADER = 116
_SIZE = 19
_LINES = _TALL // 28  # at 19 pixels a line of text is 28 high

_CARD, _EDGING = "#ffffff", "#e2e1dc"
_INK, _FAILED, _FAILED_GROUND = "#25272c", "#a8321f", "#fbeeeb"


@dataclass(frozen=True, slots=True)
class _Card:
    before: Cell
    words: str
    after: Cell | JudgedCell
    reason: str

    @property
    def words_height(self) -> int:
        return height(len(wrap(self.words, size=_SIZE, width=_WORDS, lines=_LINES)), size=_SIZE)

    @property
    def height(self) -> int:
        return 2 * _PAD + max(_LEAST, self.before.height, self.after.height, self.words_height)


def write_contact_sheet(
    rows: Iterable[Mapping[str, object]],
    target: Path,
    *,
    image_key: str,
    conversation_key: str,
    output_key: str,
    verdict_key: str = VERDICT,
    resolve: Callable[[str], Path],
    limit: int = 24,
    reasons: Mapping[int, str] | None = None,
) -> Path | None:
    """Draw the first rows of a step's output.

    Args:
        rows: read no further than needed.
        target: the PNG to write, whole or not at all.
        image_key: column of the input pictures, a path or a list of them; it may be missing.
        conversation_key: column of the instruction.
        output_key: column of the result; empty means that the row failed.
        verdict_key: column of the verdict on each picture of the result; it may be missing.
        resolve: finds the file that a path in a row means; may raise RowError.
        limit: rows at most.
        reasons: why a row failed, by its index from 0.

    Returns:
        `target`, or None when there is no row to show.
    """
    cards: list[_Card] = []
    for index, row in enumerate(islice(rows, limit)):
        words, verdict = _instruction(row, conversation_key), row.get(verdict_key)
        paths, notes = _paths(row.get(output_key), resolve), notes_of(verdict, words)
        after = make_judged_cell(paths, notes, width=_CELL, height=_TALL) if paths and notes else _set(paths)
        reason = (reasons or {}).get(index, "") or refusal_of(verdict)
        cards.append(_Card(_set(_paths(row.get(image_key), resolve)), words + _ahead(verdict), after, reason))
    if not cards:
        return None
    buffer = BytesIO()
    _draw(cards, more=len(cards) == limit).save(buffer, "PNG", compress_level=4)
    write_atomic(target, buffer.getvalue())
    return target


def _instruction(row: Mapping[str, object], key: str) -> str:
    try:
        return prompts(row.get(key), key)[-1]
    except RowError:
        return "(no instruction)"


def _ahead(verdict: object) -> str:
    """On which axis the better edit of a pair is ahead; empty where it is no pair."""
    if isinstance(verdict, Mapping) and "margin" in verdict:
        return f"\n\nThe first is {verdict['margin']:g} ahead on {verdict.get('axis')}."
    return ""


def _paths(value: object, resolve: Callable[[str], Path]) -> list[Path | None]:
    names = [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str) and name]
    return [_resolved(name, resolve) for name in names]


def _set(paths: list[Path | None]) -> Cell:
    return make_cell(paths, width=_CELL, height=_TALL)


def _resolved(name: str, resolve: Callable[[str], Path]) -> Path | None:
    try:
        return resolve(name)
    except RowError:
        return None


def _draw(cards: list[_Card], *, more: bool) -> "Image.Image":
    from PIL import Image, ImageDraw

    tall = _HEADER + sum(card.height + _CARD_GAP for card in cards) - _CARD_GAP + _EDGE
    sheet = Image.new("RGB", (WIDTH, tall), GROUND)
    draw = ImageDraw.Draw(sheet)
    top = _HEADER
    for number, card in enumerate(cards, start=1):
        box = (_EDGE, top, WIDTH - _EDGE - 1, top + card.height - 1)
        draw.rounded_rectangle(box, 12, fill=_CARD, outline=_EDGING)
        draw.text((_EDGE - 10, top + _PAD), str(number), font=font(14), fill=QUIET, anchor="rt")
        _draw_card(sheet, draw, card, (top + _PAD, top + card.height - _PAD))
        top += card.height + _CARD_GAP
    columns = [(_BEFORE, "before"), (_MIDDLE, "instruction"), (_AFTER, "after")]
    if not any(card.before.placed for card in cards):
        sheet = _without_before(sheet)
        columns = [(left - _TO_MIDDLE, word) for left, word in columns[1:]]
    _draw_header(sheet, cards, columns, more=more)
    return sheet


def _without_before(sheet: "Image.Image") -> "Image.Image":
    """Cut the first column out; the left edge of the cards stays."""
    edge = sheet.crop((0, 0, _BEFORE, sheet.height))
    rest = sheet.crop((_TO_MIDDLE, 0, sheet.width, sheet.height))
    rest.paste(edge, (0, 0))
    return rest


def _draw_header(sheet: "Image.Image", cards: list[_Card], columns: list[tuple[int, str]], *, more: bool) -> None:
    failed = sum(not card.after.placed for card in cards)
    note = f"{'first ' if more else ''}{count_of(len(cards), 'row')}"
    note += f", {failed} failed" if failed else ""
    write(sheet, (_BEFORE, 20), "Contact sheet", size=28, width=600, colour=_INK)
    length = round(font(17).getlength(note))
    write(sheet, (sheet.width - _BEFORE - length, 32), note, size=17, width=length + 1, colour=QUIET)
    for left, word in columns:
        write(sheet, (left, 78), word, size=16, width=300, colour=QUIET)


def _draw_card(sheet: "Image.Image", draw: "ImageDraw.ImageDraw", card: _Card, inside: tuple[int, int]) -> None:
    top, bottom = inside
    middle = (top + bottom) // 2
    draw_cell(sheet, card.before, (_BEFORE, middle - card.before.height // 2))
    at = (_MIDDLE, middle - card.words_height // 2)
    write(sheet, at, card.words, size=_SIZE, width=_WORDS, colour=_INK, lines=_LINES)
    after = (_AFTER, middle - card.after.height // 2)
    if isinstance(card.after, JudgedCell):
        card.after.draw(sheet, after)
    elif card.after.placed:
        draw_cell(sheet, card.after, after)
    else:
        draw.rounded_rectangle((_AFTER, top, _AFTER + _CELL - 1, bottom - 1), 8, fill=_FAILED_GROUND)
        _write_failure(sheet, card.reason, (top, bottom))


def _write_failure(sheet: "Image.Image", reason: str, inside: tuple[int, int]) -> None:
    top, bottom = inside
    width, left = _CELL - 2 * _PAD, _AFTER + _PAD
    lines = max(1, (bottom - top - 2 * _PAD - height(1, size=22)) // height(1, size=15))
    tall = height(1, size=22) + height(len(wrap(reason, size=15, width=width, lines=lines)), size=15)
    at = (left, (top + bottom - tall) // 2)
    used = write(sheet, at, "failed", size=22, width=width, colour=_FAILED)
    write(sheet, (left, at[1] + used), reason, size=15, width=width, colour=_FAILED, lines=lines)
