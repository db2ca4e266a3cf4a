"""The limits that an edit must pass, by what the edit has to keep (`Operation.keeps`).

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
    """The limits of the figures in `Measures`, for edits that keep the same; a figure with the limit None is ignored.

    Args:
        coarse: an edit changed nothing if `Measures.coarse` is below this number of levels.
        median: an edit changed nothing if `Measures.median` is below this number of levels. If both limits are given,
            both figures must be below.
        aspect: greatest change of the shape, |log| of the ratio of both aspect ratios.
        border: greatest width of a new plain band at an edge, as a share of the picture.
        corner: greatest shift of a corner, in pixels, if the picture certainly moved.
        cast: greatest change of colour in the still parts, in levels.
        changed: greatest share of blocks that changed.
        outside: greatest share of the pixels outside the mask that changed.
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
"""What an edit keeps, one of KEEPS → its limits. A change of style may shift the picture by some pixels, and a new
background may be plain up to the edges."""


def failed(measures: Measures, keeps: str, limits: Mapping[str, GateLimits] = LIMITS) -> str:
    """Return the name of the first gate that an edit does not pass; "" if it passes all.

    Args:
        measures: the measures of the edit.
        keeps: what the edit has to keep: "all", "rest", "layout", "scene", "shape" or "nothing".
        limits: one of these words → limits; a word that the mapping does not name has its limits in LIMITS, the shipped
            ones.

    Returns:
        "no_op": nothing changed. "size": the picture has another shape. "frame": it has a new band at an edge.
        "moved": it was shifted, zoomed or turned. "cast": its still parts have another colour. "too_much": hardly
        anything stood still. "outside_mask": it changed outside the mask.
    """
    limit = limits.get(keeps) or LIMITS[keeps]
    unchanged = [
        figure < bound
        for figure, bound in ((measures.coarse, limit.coarse), (measures.median, limit.median))
        if bound is not None
    ]
    found = {
        "no_op": bool(unchanged) and all(unchanged),
        "size": _over(measures.aspect, limit.aspect),
        "frame": _over(measures.border, limit.border),
        "moved": not measures.unsure and _over(measures.corner, limit.corner),
        "cast": _over(max(map(abs, measures.cast)), limit.cast),
        "too_much": _over(measures.changed, limit.changed),
        "outside_mask": _over(measures.outside, limit.outside),
    }
    return next((gate for gate, closed in found.items() if closed), "")


class Gates:
    """The gates for edits of all operations.

    Args:
        taxonomy: says what an edit of each operation keeps; None: the shipped taxonomy.
        keeps: what an edit keeps whose operation is not in the taxonomy, one of KEEPS. None: "shape" for one source
            picture, "nothing" for several.
        limits: one of KEEPS → limits; a word that the mapping does not name has its limits in LIMITS.

    Raises:
        ConfigError: `keeps` or `limits` has a word that is not in KEEPS.
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
        """Return the name of the first gate that an edit does not pass; "" if it passes all.

        Args:
            measures: the measures of the edit.
            operation: name of the edit's operation; a name that the taxonomy does not have is allowed.
            pictures: number of source pictures.
        """
        known = self._operations.get(str(operation))
        keeps = known.keeps if known else self._keeps or ("shape" if pictures == 1 else "nothing")
        return failed(measures, keeps, self._limits)


def _over(figure: float | None, bound: float | None) -> bool:
    return figure is not None and bound is not None and figure > bound
