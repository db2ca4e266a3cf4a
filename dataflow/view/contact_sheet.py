"""Draws one PNG that shows what a run made: rows with their pictures, instruction and verdict, failures first.

At most `limit` rows are read, one after another, and only thumbnails of their pictures are kept in memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.core.columns import prompts
from dataflow.core.words import count_of
from dataflow.errors import RowError
from dataflow.io.lettering import font, write
from dataflow.judging.verdict import VERDICT
from dataflow.utils.files import write_atomic
from dataflow.view import tile
from dataflow.view.cell import GROUND, QUIET
from dataflow.view.notes import notes_of, refusal_of
from dataflow.view.tile import Tile, make_tile

if TYPE_CHECKING:
    from PIL import Image

# All in pixels.
_COLUMNS = 3
_EDGE, _BETWEEN, _HEADER = 30, 16, 84
_INK = "#25272c"


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
    title: str = "Contact sheet",
) -> Path | None:
    """Draw the first rows of a step's output: those without a result first, then those of which none was accepted.

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
        title: stands above.

    Returns:
        `target`, or None when there is no row to show.
    """
    tiles: list[Tile] = []
    for index, row in enumerate(islice(rows, limit)):
        words, verdict = _instruction(row, conversation_key), row.get(verdict_key)
        tiles.append(
            make_tile(
                index + 1,
                _paths(row.get(image_key), resolve),
                _paths(row.get(output_key), resolve),
                words=words + _ahead(verdict),
                notes=notes_of(verdict, words),
                reason=(reasons or {}).get(index, "") or refusal_of(verdict),
            )
        )
    if not tiles:
        return None
    buffer = BytesIO()
    tiles.sort(key=lambda card: card.rank)
    _draw(tiles, title, more=len(tiles) == limit).save(buffer, "PNG", compress_level=4)
    write_atomic(target, buffer.getvalue())
    return target


def _instruction(row: Mapping[str, object], key: str) -> str:
    try:
        return prompts(row.get(key), key)[-1]
    except RowError:
        return "(no instruction)"


def _ahead(verdict: object) -> str:
    """A sentence on which axis the better edit of a pair is ahead; empty if the verdict is of no pair."""
    if isinstance(verdict, Mapping) and "margin" in verdict:
        return f"\n\nThe first is {verdict['margin']:g} ahead on {verdict.get('axis')}."
    return ""


def _paths(value: object, resolve: Callable[[str], Path]) -> list[Path | None]:
    names = [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str) and name]
    return [_resolved(name, resolve) for name in names]


def _resolved(name: str, resolve: Callable[[str], Path]) -> Path | None:
    try:
        return resolve(name)
    except RowError:
        return None


def _draw(tiles: Sequence[Tile], title: str, *, more: bool) -> "Image.Image":
    from PIL import Image

    columns = min(_COLUMNS, len(tiles))
    lines = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(card.height for card in line) for line in lines]
    wide = 2 * _EDGE + columns * tile.WIDTH + (columns - 1) * _BETWEEN
    tall = _HEADER + sum(heights) + (len(lines) - 1) * _BETWEEN + _EDGE
    sheet = Image.new("RGB", (wide, tall), GROUND)
    write(sheet, (_EDGE, 20), title, size=26, width=wide - 2 * _EDGE, colour=_INK, lines=1)
    _write_note(sheet, tiles, more=more)
    top = _HEADER
    for line, height in zip(lines, heights, strict=True):
        for column, card in enumerate(line):
            card.draw(sheet, (_EDGE + column * (tile.WIDTH + _BETWEEN), top), height)
        top += height + _BETWEEN
    return sheet


def _write_note(sheet: "Image.Image", tiles: Sequence[Tile], *, more: bool) -> None:
    """Write at the right how many rows there are, and how many of them failed."""
    failed = sum(not card.has_result for card in tiles)
    note = f"{'first ' if more else ''}{count_of(len(tiles), 'row')}"
    note += f", {failed} failed" if failed else ""
    length = round(font(16).getlength(note))
    write(sheet, (sheet.width - _EDGE - length, 30), note, size=16, width=length + 1, colour=QUIET)
