"""Figures of a run for whoever watches from outside: small JSON files, replaced whole and never fsynced.

No run needs them, so one that cannot be written is logged once and stops nothing, and one that cannot be read says
nothing.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Row

log = logging.getLogger(__name__)

_SECONDS = 2.0


class FiguresFile:
    """One such file; only one process at a time writes it.

    Args:
        path: of the file; its folder is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due_at = 0.0
        self._failed = False

    @property
    def is_due(self) -> bool:
        """Whether the file is two seconds old, or not there yet."""
        return time.monotonic() >= self._due_at

    def write(self, figures: Mapping[str, JSON]) -> None:
        """Put these figures and the time in the place of what was there."""
        self._due_at = time.monotonic() + _SECONDS
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(orjson.dumps({"at": round(time.time(), 1), **figures}))
            part.replace(self._path)
        except (OSError, orjson.JSONEncodeError) as error:  # the second: a name or reason that is no UTF-8
            if not self._failed:
                log.warning("%s cannot be written (%s): others see no newer figures of this run", self._path, error)
            self._failed = True

    def remove(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):
            self._path.unlink()


def read_figures(path: Path) -> Row:
    """What a file of figures says, or a meta file; nothing where it is missing or no JSON object."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def figures_of_meta(path: Path) -> Row:
    """What a meta file says of its step's last run, by the names of `Summary`; less where an older version wrote it."""
    meta = read_figures(path)
    cost, summary = (each if isinstance(each, dict) else {} for each in (meta.get("cost"), meta.get("summary")))
    figures: Row = {"operator": meta.get("operator", ""), "failed": meta.get("failed", 0)}
    if "rows" in meta:
        figures |= {"rows_in": meta["rows"], "rows_done": meta["rows"]}
    if cost:
        figures |= {"cost": cost["this_run"], "currency": cost["currency"]}
        figures |= {"spent": cost["directory"], "unsure": cost["directory_unsure"]}
        figures |= {"accepted": cost.get("accepted_pictures", 0)}
    return {**figures, **summary}


def of_all_runs(figures: Row, name: str) -> float:
    """A figure of this run and of those before it, as far as it is there."""
    return float(figures.get(name, 0) + figures.get(f"{name}_before", 0))


def costs_of_all_runs(figures: Row) -> Mapping[str, float]:
    """What the requests to each worker cost in this run and those before it, as far as it is there."""
    found = Counter[str]()
    for name in ("costs", "costs_before"):
        found.update(figures.get(name) or {})
    return found
