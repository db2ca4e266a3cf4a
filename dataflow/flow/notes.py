"""What a running step notes in the journal of how far it is, for whoever watches: `dataflowmm status`.

A `step` line when it begins, a `rows` line every two seconds while something changes, and one at its end. A run
that goes on relies on none of them, and an older version passes over them.
"""

import itertools
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from dataflow.core.records import JSON
from dataflow.errors import DataflowError
from dataflow.flow.counts import Counts
from dataflow.flow.replay import Recipe
from dataflow.journal.journal import Journal
from dataflow.utils.storage import Step

_SECONDS = 2.0
_LONGEST = 500  # characters of what is said of an end
_numbers = itertools.count(1)


class StepNotes:
    """Notes of one run of a step; a context manager whose end is the end of the step, files included.

    Args:
        journal: they are written to.
        step: that runs.
        recipe: of the step.
        counts: of the run.

    Attributes:
        number: tells the steps of one process apart, in these lines and in `start` lines.
    """

    def __init__(self, journal: Journal, step: Step, recipe: Recipe, counts: Counts) -> None:
        self.number = next(_numbers)
        self._journal = journal
        self._step = step
        self._recipe = recipe
        self._counts = counts
        self._told: dict[str, JSON] = {}
        self._due_at = 0.0

    def __enter__(self) -> Self:
        file = Path(self._step.target).relative_to(Path(self._step.cache_path).expanduser())
        entry: dict[str, JSON] = {"t": "step", "k": self.number, "file": str(file), "name": self._recipe.name}
        self._journal.note({**entry, "of": self._counts.rows_in, "at": _now()})
        self._due_at = time.monotonic() + _SECONDS
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entry: dict[str, JSON] = {**self._state(), "at": _now(), "over": True}
        if isinstance(error, DataflowError):
            entry["why"] = str(error)[:_LONGEST]
        elif error is not None:
            entry["why"] = f"stopped by {type(error).__name__}, as the run's own output says"
        self._journal.note(entry)

    @property
    def are_due(self) -> bool:
        """Whether the next `tell` writes a line."""
        return time.monotonic() >= self._due_at

    def tell(self) -> None:
        """Write down how far the step is, every two seconds if it has changed."""
        if self.are_due:
            self._due_at = time.monotonic() + _SECONDS
            state = self._state()
            if state != self._told:
                self._told = state
                self._journal.note({**state, "at": _now()})

    def _state(self) -> dict[str, JSON]:
        counts = self._counts
        state: dict[str, JSON] = {"t": "rows", "k": self.number, "of": counts.rows_in}
        state |= {"done": counts.rows_done, "answered": counts.rows_answered}
        state["failed"] = counts.failed
        if counts.pause:
            state["pause"] = counts.pause
        return state


def _now() -> float:
    return round(time.time(), 1)
