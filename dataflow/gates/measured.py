"""The measures of an edit, as values, and the request for them. `measures.py`, which needs numpy, computes them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import orjson

from dataflow.core.records import Request
from dataflow.errors import UnfitAnswer

VERSION = 1
"""Version of the figures, in the fingerprint of the gauge: with another version every edit is measured again."""

LEAST_AGREE = 0.6  # share of the tiles; if fewer agree, it is not known whether the picture moved
LEAST_TILES = 6  # if fewer tiles have texture, it is not known whether the picture moved

ASKED = "measure the last picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How an edit differs from its source.

    Both pictures are scaled to at most 512 pixels on the longer side; levels are 0 to 255; a block is 8 x 8 pixels.
    `coarse` and `median` compare the edit with the nearest of its sources, all other figures with the first source.

    Args:
        coarse: largest change of a block's mean, in levels.
        median: median change of a block's mean, in levels.
        changed: share of the blocks that changed by more than 8 levels, 0 to 1.
        hot: share of the pixels that changed by more than 40 levels, 0 to 1.
        aspect: change of the shape: |log| of the ratio of both ratios of width to height.
        shift: shift of the middle to the right and down, in pixels.
        zoom: growth in width and height, as a share; 0.01 is 1 %.
        turn: clockwise turn, in degrees.
        corner: greatest shift of a corner by shift, zoom and turn together, in pixels.
        agree: share of the tiles that moved by this shift, zoom and turn, 0 to 1.
        tiles: number of tiles with texture, of 16.
        cast: change of red, green and blue in the half of the blocks that changed least, in levels.
        border: width of the widest plain band at an edge that the source does not have, as a share of the picture.
        sharpness: sharpness of the half that changed least over that of the source; None: the source has no texture.
        outside: share of the pixels outside the mask that changed, 0 to 1; None: there is no mask.
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
        """Whether it is not known if the picture moved, as after a change of style."""
        return self.tiles < LEAST_TILES or self.agree < LEAST_AGREE

    def as_json(self) -> str:
        """Return the figures as one line of JSON."""
        return orjson.dumps(asdict(self)).decode()


def read_measures(text: str) -> Measures:
    """Read the figures that `Measures.as_json` wrote.

    Raises:
        UnfitAnswer: the text is something else.
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
    """Make the request that a `PixelGauge` answers with `Measures`.

    Args:
        sources: paths of the source pictures.
        edited: path of the edit.
        mask: path of a picture as large as the first source, white where the edit was allowed; None: there is none.
        worker: name of the gauge in the operator's requests.
    """
    return Request(ASKED, (*sources, edited), makes="text", worker=worker, mask=mask)
