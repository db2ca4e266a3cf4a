"""What the person at the terminal sees while a step runs.

On a terminal a bar; without one a line every 30 s on standard error. `DF_LOG_LEVEL` of ERROR or
above turns both off.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dataflow.core.words import duration, show_amount, three_digits
from dataflow.flow.counts import Counts

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_LINE_SECONDS = 30.0
_BAR_SECONDS = 0.1
_ROOMY = 110  # columns; with fewer the operator's name makes room for what changes
_LEAST_BAR = 4


class Progress:
    """Shows the counts of a running step; a context manager, updated from the runner's thread.

    Args:
        name: of the step.
        counts: kept up to date by the runner.
    """

    def __init__(self, name: str, counts: Counts) -> None:
        self._name = name
        self._counts = counts
        self._shown = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._shows = ExitStack()

    def __enter__(self) -> "Progress":
        level = logging.getLevelName(os.environ.get("DF_LOG_LEVEL", "INFO").upper())
        self._silent = isinstance(level, int) and level > logging.WARNING
        if not self._silent and sys.stderr.isatty():
            self._bar = _make_bar()
            if self._bar.console.width < _ROOMY:
                self._name = " ".join(self._name.split()[:2])
            self._task = self._bar.add_task(self._name, total=self._counts.rows_in, note="")
            self._shows.enter_context(_running(self._bar))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._show(self._bar)
        self._shows.close()

    def tick(self) -> None:
        """Show the counts if it is time to."""
        now, counts = time.monotonic(), self._counts
        if now - self._shown < (_LINE_SECONDS if self._bar is None else _BAR_SECONDS):
            return
        self._shown = now
        if self._bar is not None:
            self._show(self._bar)
        elif not self._silent:
            sys.stderr.write(f"{self._name}: {counts.rows_done:,}/{counts.rows_in:,} rows, {self._note()}\n")
            sys.stderr.flush()

    def _show(self, bar: "Bar") -> None:
        assert self._task is not None
        counts = self._counts
        rows_width = 2 * len(str(counts.rows_in)) + 1
        room = bar.console.width - len(self._name) - rows_width - _LEAST_BAR - 3  # spaces between the columns
        note = self._note()
        note = note if len(note) <= room else f"{note[: max(room - 1, 0)]}…"
        bar.update(self._task, completed=counts.rows_done, total=counts.rows_in, note=note)

    def _note(self) -> str:
        counts = self._counts
        rate = counts.speed.rate()
        parts = [f"{three_digits(rate)}/s", f"{counts.in_flight} in flight{counts.limit}"]
        if counts.currency:
            parts.append(show_amount(counts.cost, counts.currency))
        if counts.pause:
            parts.append(counts.pause)
        if counts.retried:
            parts.append(f"{counts.retried} retried")
        if counts.failed:
            parts.append(f"{counts.failed} failed")
        if rate and counts.rows_in > counts.rows_done:
            parts.append(f"{duration((counts.rows_in - counts.rows_done) / rate)} left")
        return ", ".join(parts)


def _make_bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    rows = MofNCompleteColumn(table_column=Column(no_wrap=True))  # the bar alone gives way
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), rows)
    note, console = TextColumn("{task.fields[note]}", markup=False), Console(stderr=True)
    return Bar(*columns, note, console=console, refresh_per_second=8, redirect_stdout=sys.stdout.isatty())


@contextmanager
def _running(bar: "Bar") -> Iterator[None]:
    """Show it. Log lines of handlers that write to the terminal stand above it meanwhile, as printed ones do."""
    terminals = sys.stdout, sys.stderr
    loggers = [logging.getLogger(), *list(logging.root.manager.loggerDict.values())]
    handlers = {each for logger in loggers for each in getattr(logger, "handlers", ())}
    shown = [each for each in handlers if isinstance(each, logging.StreamHandler) and each.stream in terminals]
    moved = [(handler, handler.stream) for handler in shown]
    with bar:
        for handler, stream in moved:
            handler.setStream(sys.stdout if stream is terminals[0] else sys.stderr)
        try:
            yield
        finally:
            for handler, stream in moved:
                handler.setStream(stream)
