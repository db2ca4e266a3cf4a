"""What the person who started a run sees while steps run.

On a terminal a bar for each, in a notebook one line that is renewed, elsewhere a line every 30 s on standard error.
`DF_LOG_LEVEL` of ERROR or above turns all of them off. A run does not end because nobody can watch it any more.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from dataflow.core.notebook import in_notebook, stop_key
from dataflow.core.words import count_of, duration, show_amount, three_digits
from dataflow.errors import plain
from dataflow.flow.cell_line import CellLines
from dataflow.flow.counts import Counts, kept_words

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_GONE = (OSError, ValueError)  # a pipe, terminal or file on the other side of which nobody is
_ROOMY = 110  # columns; with fewer the operator's name makes room for what changes
_LEAST_BAR = 4


class _Display(Protocol):
    """A way to show how far steps are, by their names.

    Attributes:
        seconds: between two looks.
    """

    seconds: float

    def say(self, name: str, words: str) -> None:
        """Show a line that stays."""

    def show(self, name: str, counts: Counts, note: str) -> None:
        """Show the counts of a step as they are now."""

    def close(self) -> None:
        """Leave the last counts where they are."""


class Progress:
    """Shows the counts of running steps; a context manager, updated from one thread.

    Args:
        steps: name → counts, which whoever runs the step keeps up to date; without any nothing is shown.
    """

    def __init__(self, steps: Mapping[str, Counts]) -> None:
        self._open = {**steps}  # to be shown once more
        self._shown = time.monotonic()
        self._display: _Display | None = None

    def __enter__(self) -> "Progress":
        level = logging.getLevelName(os.environ.get("DF_LOG_LEVEL", "INFO").upper())
        if self._open and not (isinstance(level, int) and level > logging.WARNING):
            self._display = _display_for(self._open)
            for name, counts in self._open.items():
                if counts.kept:
                    self._display.say(name, kept_words(counts.kept, counts.output))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._display is not None:
            if not isinstance(self._display, _Lines):
                self._show(self._display)
            self._display.close()

    def tick(self) -> None:
        """Show the counts if it is time to."""
        now = time.monotonic()
        if self._display is not None and now - self._shown >= self._display.seconds:
            self._shown = now
            self._show(self._display)

    def _show(self, display: _Display) -> None:
        """Show the counts of each step; of one that has ended for the last time, or its speed would go on falling."""
        for name, counts in [*self._open.items()]:
            if counts.is_over:
                del self._open[name]
            display.show(name, counts, plain(self._note(counts)))

    def _note(self, counts: Counts) -> str:
        if counts.ends_in is not None:
            left = duration(max(0.0, counts.ends_in))
            return f"stopping: {counts.in_flight} in flight, {left} at most; {stop_key()} again cuts them off"
        rate = counts.speed.rate()
        parts = [f"{three_digits(rate)}/s", f"{counts.in_flight} in flight{counts.limit}"]
        if counts.note:
            parts.insert(0, counts.note)
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


def _display_for(steps: Mapping[str, Counts]) -> _Display:
    if in_notebook():
        return CellLines(steps)
    if sys.stderr is not None and sys.stderr.isatty():
        return _TerminalBars(steps)
    return _Lines()


class _Lines:
    """A line now and then, for a log."""

    seconds = 30.0

    def say(self, name: str, words: str) -> None:
        with suppress(*_GONE, AttributeError):  # the last: standard error was closed before the start
            sys.stderr.write(f"{name}: {words}\n")
            sys.stderr.flush()

    def show(self, name: str, counts: Counts, note: str) -> None:
        self.say(name, f"{counts.rows_done:,}/{count_of(counts.rows_in, 'row')}, {note}")

    def close(self) -> None:
        pass


class _TerminalBars:
    """A bar for each step at the foot of a terminal."""

    seconds = 0.1

    def __init__(self, steps: Mapping[str, Counts]) -> None:
        self._bars = _make_bars()
        is_roomy = self._bars.console.width >= _ROOMY
        names = {name: name if is_roomy else " ".join(name.split()[:2]) for name in steps}
        self._tasks = {
            name: self._bars.add_task(names[name], total=counts.rows_in, note="") for name, counts in steps.items()
        }
        self._names_width = max(map(len, names.values()))
        self._shows = ExitStack()
        self._shows.enter_context(_running(self._bars))

    def say(self, name: str, words: str) -> None:
        about = f"{name}: " if len(self._tasks) > 1 else ""
        with suppress(*_GONE):
            self._bars.console.print(f"{about}{words}", markup=False, highlight=False)

    def show(self, name: str, counts: Counts, note: str) -> None:
        rows_width = max(2 * len(str(round(task.total or 0))) + 1 for task in self._bars.tasks)
        # three spaces between the columns
        room = self._bars.console.width - self._names_width - rows_width - _LEAST_BAR - 3
        note = note if len(note) <= room else f"{note[: max(room - 1, 0)]}…"
        self._bars.update(self._tasks[name], completed=counts.rows_done, total=counts.rows_in, note=note)

    def close(self) -> None:
        with suppress(*_GONE):
            self._shows.close()


def _make_bars() -> "Bar":
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
