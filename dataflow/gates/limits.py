"""What an edit must show to pass, by what it has to keep; `Operation.keeps` says which that is.

Source of the limits: measured in November 2026 on photographs with known changes, see benchmarks/README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dataflow.errors import ConfigError
from dataflow.gates.measured import Measures
from dataflow.taxonomy.taxonomy import KEEPS, Taxonomy, shipped_taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """The limits for edits that keep the same; a figure whose limit is None decides nothing.

    Args:
        coarse: an edit changed nothing if its largest change of a block is below this,
        median: and that of the middle block below this; both must be, where both are given.
        aspect: how far the shape may be off.
        border: how wide a band may be that the source has not.
        corner: pixels that a corner may have moved, where it is sure that it did.
        cast: levels by which what stood still may have changed its colour.
        changed: largest share of blocks that may have changed.
        outside: largest share of the pixels outside the mask that may have changed.
    """

    coarse: float | None = 16.0
    median: float | None = None
    aspect: float | None = 0.05
    border: float | None = 0.012
    corner: float | None = None
    cast: float | None = None
    changed: float | None = None
    outside: float | None = 0.02


LIMITS: Mapping[str, GateLimits] = MappingProxyType(
    {
        "all": GateLimits(coarse=None, corner=1.5),
        "rest": GateLimits(corner=1.5, cast=3.0, changed=0.85),
        "layout": GateLimits(coarse=None, median=2.5, corner=1.5),
        "scene": GateLimits(corner=8.0, border=None),
        "shape": GateLimits(median=2.5, border=None),
        "nothing": GateLimits(aspect=None, border=None, outside=None),
    }
)
"""By what an edit keeps. A change of style may be off by some pixels, and a new background be plain up to the edges."""


def failed(measures: Measures, keeps: str, limits: Mapping[str, GateLimits] = LIMITS) -> str:
    """Which gate an edit does not pass; "": it passes all.

    Args:
        measures: of the edit.
        keeps: what it has to keep, one of KEEPS.
        limits: by what is kept; what is not named there has the limits of LIMITS.

    Returns:
        no_op: it changed nothing. size: another shape. frame: a band at an edge. moved: shifted or zoomed. cast: what
        stood still has another colour. too_much: hardly anything stood still. outside_mask: changed outside the mask.
    """
    limit = limits.get(keeps) or LIMITS[keeps]
    quiet = [
        figure < bound
        for figure, bound in ((measures.coarse, limit.coarse), (measures.median, limit.median))
        if bound is not None
    ]
    found = {
        "no_op": bool(quiet) and all(quiet),
        "size": _over(measures.aspect, limit.aspect),
        "frame": _over(measures.border, limit.border),
        "moved": not measures.unsure and _over(measures.corner, limit.corner),
        "cast": _over(max(map(abs, measures.cast)), limit.cast),
        "too_much": _over(measures.changed, limit.changed),
        "outside_mask": _over(measures.outside, limit.outside),
    }
    return next((gate for gate, closed in found.items() if closed), "")


class Gates:
    """What edits are held to, by their operation.

    Args:
        taxonomy: says what each operation keeps; None: the shipped one.
        keeps: what an edit keeps whose operation is not in the taxonomy, one of KEEPS; None: the shape of one picture,
            nothing of several.
        limits: by what is kept; what is not named has the limits of LIMITS.

    Raises:
        ConfigError: a word that is not of KEEPS.
    """

    def __init__(
        self,
        taxonomy: Taxonomy | None = None,
        *,
        keeps: str | None = None,
        limits: Mapping[str, GateLimits] | None = None,
    ) -> None:
        for where, names in (("keeps", [keeps] if keeps is not None else []), ("limits", limits or ())):
            for name in names:
                if name not in KEEPS:
                    raise ConfigError(f"{where} has {name!r}: give one of {', '.join(KEEPS)}")
        self._operations = (taxonomy or shipped_taxonomy()).operations
        self._keeps = keeps
        self._limits = limits or {}

    def failed(self, measures: Measures, operation: object, *, pictures: int) -> str:
        """As the function `failed`, of an edit of this operation that started from so many pictures."""
        known = self._operations.get(str(operation))
        keeps = known.keeps if known else self._keeps or ("shape" if pictures == 1 else "nothing")
        return failed(measures, keeps, self._limits)


def _over(figure: float | None, bound: float | None) -> bool:
    return figure is not None and bound is not None and figure > bound
