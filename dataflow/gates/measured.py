"""The figures of an edit, as values, and how they are asked for; `measures.py`, which needs numpy, works them out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import orjson

from dataflow.core.records import Request
from dataflow.errors import UnfitAnswer

VERSION = 1
"""Of the figures: another number has every picture measured again."""

LEAST_AGREE = 0.6  # of the tiles; below it nobody knows whether the picture moved
LEAST_TILES = 6

ASKED = "measure the last picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How an edit differs from its source; both have at most 512 pixels on the longer side, and levels are 0 to 255.

    `coarse` and `median` are against that of several sources to which the edit is nearest, all others against the
    first.

    Args:
        coarse: the largest change of a block's mean, in levels; a block has 8 x 8 pixels.
        median: the same of the middle block.
        changed: share of the blocks that changed by more than 8 levels.
        hot: share of the pixels that changed by more than 40 levels.
        aspect: how far the shape is off: |log| of the ratio of the two ratios of width to height.
        shift: how far the middle moved to the right and down, in pixels.
        zoom: how much wider and higher things became; 0.01 is 1 %.
        turn: by how many degrees the picture turned clockwise.
        corner: how far that corner moved which moved most, in pixels: the three above together.
        agree: share of the tiles that moved as these say.
        tiles: how many parts had enough texture to tell.
        cast: change of red, green and blue in the stiller half of the blocks, in levels.
        border: the widest plain band at an edge that the source has not, as a share of the picture.
        sharpness: of the stiller half beside the source's; None where the source has no texture.
        outside: share of the pixels outside the mask that changed; None without a mask.
    """

    coarse: float
    median: float
    changed: float
    hot: float
    aspect: float
    shift: tuple[float, float]
    zoom: tuple[float, float]
    turn: float
    corner: float
    agree: float
    tiles: int
    cast: tuple[float, float, float]
    border: float
    sharpness: float | None = None
    outside: float | None = None

    @property
    def unsure(self) -> bool:
        """Whether nobody can tell if the picture moved, as after a change of style."""
        return self.tiles < LEAST_TILES or self.agree < LEAST_AGREE

    def as_json(self) -> str:
        """The figures as one line."""
        return orjson.dumps(asdict(self)).decode()


def read_measures(text: str) -> Measures:
    """The figures that `as_json` wrote.

    Raises:
        UnfitAnswer: something else.
    """
    try:
        found = orjson.loads(text)
        given = {each.name: found[each.name] for each in fields(Measures)}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UnfitAnswer("not_measures", f"these are no measures of two pictures: {text!r:.80}") from None
    for name in ("shift", "zoom", "cast"):
        given[name] = tuple(given[name])
    return Measures(**given)


def gauging(sources: Sequence[str], edited: str, mask: str | None = None, *, worker: str = "worker") -> Request:
    """The request that a `PixelGauge` answers with `Measures`.

    Args:
        sources: paths of the pictures that were edited.
        edited: path of the result.
        mask: path of a picture as large as the first source, white where the edit was allowed.
        worker: the name under which the operator knows its gauge.
    """
    return Request(ASKED, (*sources, edited), makes="text", worker=worker, mask=mask)
