"""Shows rows of a step as cards in a notebook: pictures before and after, instruction and verdict, failures first.

The pictures are inside the HTML, so a saved notebook keeps them.
"""

from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from html import escape
from pathlib import Path

from dataflow.core.words import count_of, cut
from dataflow.errors import DataflowError, plain
from dataflow.io.decode import BadPicture
from dataflow.utils.storage import Step
from dataflow.view.cards import AFTER, BEFORE, card_of, picture_at
from dataflow.view.catalogue import Catalogue, Place
from dataflow.view.facts import ACCEPTED, DROPPED, FAILED, MADE, REJECTED, SURPLUS, UNDRAWN, UNJUDGED
from dataflow.view.query import Query
from dataflow.view.thumbnails import encode_small

_SHOWN_FIRST = (FAILED, UNDRAWN, DROPPED, UNJUDGED, REJECTED)
_SHOWN_LATER = (MADE, ACCEPTED, SURPLUS)
_COLOURS = {ACCEPTED: "#2f8552", SURPLUS: "#7aa93f", MADE: "#3b74b8", UNJUDGED: "#b98a1d", REJECTED: "#bf4632"}
_QUIET = "#7c7f8c"
_PIXELS = 240
_INPUTS = 2  # most pictures of a card before the edit, and most after
_LONGEST = 160  # columns of an instruction, and of a reason

_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:12px;max-width:1180px"
_CARD = "border:1px solid rgba(128,128,128,.35);border-radius:9px;overflow:hidden;font-size:13px;line-height:1.4"
_PICTURES = "display:flex;gap:1px;background:rgba(128,128,128,.2)"
_IMAGE = "flex:1;min-width:0;width:0;aspect-ratio:1;object-fit:contain;image-rendering:{};margin:0"
_EMPTY = "flex:1;aspect-ratio:1;display:flex;align-items:center;justify-content:center;opacity:.6"


@dataclass(frozen=True, slots=True)
class Grid:
    """Some rows, which a notebook shows as cards and a Python prompt as one line.

    Args:
        html: the cards.
        words: how many rows there are, as a sentence.
    """

    html: str
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return self.html


def grid_of(step: Step, count: int) -> Grid:
    """Show the rows that a step wrote, or the rows that it reads if it has written none.

    Args:
        step: of a storage.
        count: most cards. Rows without an accepted result come first, then the others from the lowest score on.

    Raises:
        ConfigError: a file of the step cannot be read.
    """
    done = step.target if step.target.exists() or step.number == 1 else step.source
    name = done.name.removesuffix(f".{step.cache_type}")
    with closing(Catalogue(Path(step.cache_path).expanduser(), name)) as catalogue:
        catalogue.read_all()
        failed = catalogue.find(Query(outcome=_SHOWN_FIRST, order="worst"), 0, count)
        others = catalogue.find(Query(outcome=_SHOWN_LATER, order="worst"), 0, count - len(failed.places))
        total = failed.total + others.total
        cards = [_card(catalogue, place) for place in (*failed.places, *others.places)]
    words = f"{len(cards)} of {count_of(total, 'row')} of {name}"
    words += f", {failed.total:,} of them without an accepted result" if failed.total else ""
    words = words if total else f"{name} has no rows yet: run its operator, then show() again"
    note = f'<p style="opacity:.7;font-size:13px">{escape(words)}</p>'
    return Grid(f'<div style="{_GRID}">{"".join(cards)}</div>{note}', words)


def _card(catalogue: Catalogue, place: Place) -> str:
    card = card_of(catalogue, place)
    pictures = [_picture(catalogue, place, BEFORE, number) for number in range(min(card["before"], _INPUTS))]
    pictures += [_picture(catalogue, place, AFTER, edit["number"]) for edit in card["after"][-_INPUTS:]]
    if not card["after"]:
        pictures.append(f'<span style="{_EMPTY}">no result</span>')
    colour = _COLOURS.get(card["outcome"], _QUIET)
    score = "" if card.get("score") is None else f'<b style="float:right">{card["score"]:.1f}</b>'
    head = f'<div style="color:{colour};font-weight:600">{escape(card["outcome"])}{score}</div>'
    why = _text(card["reason"] or card.get("fault", ""), "opacity:.7;font-size:12px")
    words = f'<div style="padding:8px 11px 9px">{head}{_text(card.get("instruction", ""), "")}{why}</div>'
    return f'<div style="{_CARD}"><div style="{_PICTURES}">{"".join(pictures)}</div>{words}</div>'


def _text(text: str, style: str) -> str:
    return f'<div style="overflow-wrap:anywhere;{style}">{escape(plain(cut(text, _LONGEST)))}</div>' if text else ""


def _picture(catalogue: Catalogue, place: Place, role: str, number: int) -> str:
    try:
        data = encode_small(picture_at(catalogue, place, role, number), _PIXELS)
    except (BadPicture, DataflowError, LookupError):
        return f'<span style="{_EMPTY}">no picture</span>'
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    style = _IMAGE.format("pixelated" if kind == "png" else "auto")
    return f'<img style="{style}" src="data:image/{kind};base64,{b64encode(data).decode()}">'
