"""Small JSON files with the figures of a run, for `dataflowmm status`; each write replaces the whole file, no fsync.

No run depends on them: a file that cannot be written is logged once and stops nothing, and a file that cannot be read
counts as empty.
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

_SECONDS = 2.0  # between two writes


class FiguresFile:
    """A file of figures, which only one process at a time writes.

    Args:
        path: of the file; its folder is created at the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due_at = 0.0
        self._failed = False

    @property
    def is_due(self) -> bool:
        """Whether this object wrote the file two seconds ago or earlier, or never."""
        return time.monotonic() >= self._due_at

    def write(self, figures: Mapping[str, JSON]) -> None:
        """Replace the file by these figures and, as `at`, the time in seconds since 1970."""
        self._due_at = time.monotonic() + _SECONDS
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(orjson.dumps({"at": round(time.time(), 1), **figures}))
            part.replace(self._path)
        except (OSError, orjson.JSONEncodeError) as error:  # JSONEncodeError: a file name that is not UTF-8
            if not self._failed:
                log.warning("%s cannot be written (%s): others see no newer figures of this run", self._path, error)
            self._failed = True

    def remove(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self._path.unlink()


def read_figures(path: Path) -> Row:
    """The JSON object in a file of figures or a meta file; empty if the file is missing or holds something else."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def figures_of_meta(path: Path) -> Row:
    """The figures of a step's last run from its meta file, by the names of `Summary`.

    Meta files of older versions have fewer of them; a figure that is not there is left out.
    """
    meta = read_figures(path)
    cost, summary = (part if isinstance(part, dict) else {} for part in (meta.get("cost"), meta.get("summary")))
    figures: Row = {"operator": meta.get("operator", ""), "failed": meta.get("failed", 0)}
    if "rows" in meta:
        figures |= {"rows_in": meta["rows"], "rows_done": meta["rows"]}
    if cost:
        figures |= {"cost": cost["this_run"], "currency": cost["currency"]}
        figures |= {"spent": cost["directory"], "unsure": cost["directory_unsure"]}
        figures |= {"accepted": cost.get("accepted_pictures", 0)}
    return {**figures, **summary}


def of_all_runs(figures: Row, name: str) -> float:
    """A figure of the last run plus `{name}_before`, that of all earlier runs; a missing one counts as 0."""
    return float(figures.get(name, 0) + figures.get(f"{name}_before", 0))


def costs_of_all_runs(figures: Row) -> Mapping[str, float]:
    """Name of a worker → what the requests to it cost in all runs so far, in the currency of the figures."""
    found = Counter[str]()
    for name in ("costs", "costs_before"):
        found.update(figures.get(name) or {})
    return found
