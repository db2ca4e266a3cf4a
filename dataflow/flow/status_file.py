"""The status file of a step, `.dataflow/status/{prefix}_step{n}.json`: its figures for `dataflowmm status`.

Each step has a file of its own, also where steps overlap. A run that ends well deletes it, since the step's meta file
has the figures; it stays only where the prefix names a folder (`file_name_prefix="sub/x"`), in which `status` does not
look for meta files. A run that is interrupted leaves its last figures and the reason; a run that is killed leaves
figures that are at most two seconds older than its end.
"""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from dataflow.core.records import NANO, Row
from dataflow.errors import DataflowError
from dataflow.flow.answered_by import AnsweredBy
from dataflow.flow.counts import Counts
from dataflow.flow.preflight import Found
from dataflow.flow.recipe import Recipe
from dataflow.flow.summary import Summary
from dataflow.journal.lock import this_process
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import FiguresFile, costs_of_all_runs, figures_of_meta, of_all_runs, read_figures
from dataflow.utils.storage import Step

log = logging.getLogger(__name__)

_LONGEST = 500  # characters of the reason for which a run ended
_LEAST_SECONDS = 4.0  # a shorter run is too short to measure its speed


class StatusFile:
    """A context manager around a run of a step that keeps the step's status file.

    Args:
        step: the step that runs.
        take: makes a snapshot of the figures.
    """

    def __init__(self, step: Step, take: Callable[[], Summary]) -> None:
        self._file = FiguresFile(_path(step))
        self._step_file = step.target.relative_to(Path(step.cache_path).expanduser()).as_posix()
        self._take = take

    def __enter__(self) -> Self:
        self.write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and "/" not in self._step_file:
            self._file.remove()
        elif error is None:
            self.write()
        elif isinstance(error, DataflowError):
            self.write(str(error)[:_LONGEST])
        else:
            self.write(f"stopped by {type(error).__name__}, as the run's own output says")

    @property
    def is_due(self) -> bool:
        """Whether the figures in the file are two seconds old."""
        return self._file.is_due

    def write(self, why: str = "") -> None:
        """Write the current figures into the file.

        Args:
            why: the reason for which the run has ended; empty while it goes on.
        """
        writer = {"file": self._step_file, "process": this_process(), "why": why}
        self._file.write({**writer, **self._take().figures()})


def begin_counts(recipe: Recipe, step: Step, found: Found) -> Counts:
    """The counts at the beginning of a run, with what earlier runs of the step spent and asked.

    Args:
        recipe: what the step does.
        step: the step that runs.
        found: what `check_source` found in its source.
    """
    before = last_figures(step)
    return Counts(
        rows_in=found.rows,
        kept=found.kept,
        output=recipe.output or "",
        sides=Counter(dict.fromkeys(recipe.sides, 0)),
        answered_by=AnsweredBy(recipe.workers),
        requests_before=int(of_all_runs(before, "requests")),
        retried_before=int(of_all_runs(before, "retried")),
        cost_before=round(of_all_runs(before, "cost") * NANO),
        costs_before=Counter({name: round(cost * NANO) for name, cost in costs_of_all_runs(before).items()}),
        cost_elsewhere=round(_cost_elsewhere(step) * NANO),
        accepted_before=_accepted_before(before),
    )


def count_replaced(recipe: Recipe, step: Step, rows: int) -> int:
    """`rows_replaced`, with a warning if the run replaces a file of more rows."""
    if replaced := rows_replaced(recipe, step, rows):
        log.warning(
            "%s was made of %d rows, and a file of %d takes its place: the answers of all stay, so a run with all rows"
            " makes it again for nothing",
            step.target, replaced, rows,
        )  # fmt: skip
    return replaced


def _accepted_before(before: Row) -> int:
    """How many results earlier runs accepted since a worker charges; 0 if nothing had a cost in the last run.

    Args:
        before: figures of the last run, by the names of `Summary`.
    """
    if not before.get("currency"):
        return 0
    in_file, known, new = (int(before.get(name, 0)) for name in ("accepted", "accepted_before", "accepted_new"))
    return max(in_file, known + new)


def _cost_elsewhere(step: Step) -> float:
    """What the steps have cost that this step's file does not depend on, in units of the currency.

    These are the later steps of its storage and the steps of other storages in the cache directory. If the first rows
    lie in the cache directory, another storage made them there; then its steps do not count.
    """
    folder = Path(step.cache_path).expanduser()
    prefix, is_first = step.file_name_prefix, not step.first_entry_file_name
    is_apart = is_first or folder.absolute() not in Path(step.first_entry_file_name).expanduser().absolute().parents
    figures = {path.name.removesuffix(".meta.json"): figures_of_meta(path) for path in folder.glob("*.meta.json")}
    statuses = {unquote(path.stem): read_figures(path) for path in CacheFolder(folder).statuses.glob("*.json")}
    figures |= {name: status for name, status in statuses.items() if _began(status) > _began(figures.get(name, {}))}
    cost = 0.0
    for name, of_step in figures.items():
        maker, _, number = name.rpartition("_step")
        is_later = maker == prefix and number.isdecimal() and int(number) > step.number
        if is_later or (is_apart and maker != prefix):
            cost += of_all_runs(of_step, "cost")
    return cost


def _began(figures: Row) -> float:
    return float(figures.get("began", 0.0))


def rows_replaced(recipe: Recipe, step: Step, rows: int) -> int:
    """How many rows the step's finished file was made of, if they are more than come in now; else 0.

    Args:
        recipe: what the step does.
        step: the step.
        rows: how many rows come in now.
    """
    if not step.target.exists():
        return 0
    name = "rows_in" if recipe.source is None else "rows"  # a source may have grown before its rows were good
    before = int(figures_of_meta(step.meta).get(name, 0))
    return before if before > rows else 0


def last_figures(step: Step) -> Row:
    """The figures of a step's last run, by the names of `Summary`: from its status or meta file, the newer one."""
    status, meta = read_figures(_path(step)), figures_of_meta(step.meta)
    return status if _began(status) > _began(meta) else meta


def last_rows_per_second(step: Step) -> float:
    """The mean speed of a step's last run, in rows that were answered a second; 0: not known."""
    figures = last_figures(step)
    seconds = float(figures.get("seconds", 0.0))
    return float(figures.get("rows_answered", 0)) / seconds if seconds >= _LEAST_SECONDS else 0.0


def _path(step: Step) -> Path:
    folder = CacheFolder(Path(step.cache_path).expanduser())
    return folder.status(f"{step.file_name_prefix}_step{step.number}")
