"""What the person who started a run sees while a step runs.

On a terminal a bar, in a notebook one line that is renewed, elsewhere a line every 30 s on standard error.
`DF_LOG_LEVEL` of ERROR or above turns all of them off. A run does not end because nobody can watch it any more.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from dataflow.core.notebook import in_notebook, stop_key
from dataflow.core.words import count_of, duration, show_amount, three_digits
from dataflow.errors import plain
from dataflow.flow.cell_line import CellLine
from dataflow.flow.counts import Counts, kept_words

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_GONE = (OSError, ValueError)  # a pipe, terminal or file on the other side of which nobody is
_ROOMY = 110  # columns; with fewer the operator's name makes room for what changes
_LEAST_BAR = 4


class _Display(Protocol):
    """A way to show how far a step is.

    Attributes:
        seconds: between two looks.
    """

    seconds: float

    def say(self, words: str) -> None:
        """Show a line that stays."""

    def show(self, counts: Counts, note: str) -> None:
        """Show the counts as they are now."""

    def close(self) -> None:
        """Leave the last counts where they are."""


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
        self._display: _Display | None = None

    def __enter__(self) -> "Progress":
        level = logging.getLevelName(os.environ.get("DF_LOG_LEVEL", "INFO").upper())
        if not (isinstance(level, int) and level > logging.WARNING):
            self._display = _display_for(self._name, self._counts)
            if self._counts.kept:
                self._display.say(kept_words(self._counts.kept, self._counts.output))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._display is not None:
            if not isinstance(self._display, _Lines):
                self._display.show(self._counts, plain(self._note()))
            self._display.close()

    def tick(self) -> None:
        """Show the counts if it is time to."""
        now = time.monotonic()
        if self._display is not None and now - self._shown >= self._display.seconds:
            self._shown = now
            self._display.show(self._counts, plain(self._note()))

    def _note(self) -> str:
        counts = self._counts
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


def _display_for(name: str, counts: Counts) -> _Display:
    if in_notebook():
        return CellLine(name)
    if sys.stderr is not None and sys.stderr.isatty():
        return _TerminalBar(name, counts)
    return _Lines(name)


class _Lines:
    """A line now and then, for a log."""

    seconds = 30.0

    def __init__(self, name: str) -> None:
        self._name = name

    def say(self, words: str) -> None:
        with suppress(*_GONE, AttributeError):  # the last: standard error was closed before the start
            sys.stderr.write(f"{self._name}: {words}\n")
            sys.stderr.flush()

    def show(self, counts: Counts, note: str) -> None:
        self.say(f"{counts.rows_done:,}/{count_of(counts.rows_in, 'row')}, {note}")

    def close(self) -> None:
        pass


class _TerminalBar:
    """A bar at the foot of a terminal."""

    seconds = 0.1

    def __init__(self, name: str, counts: Counts) -> None:
        self._bar = _make_bar()
        self._name = name if self._bar.console.width >= _ROOMY else " ".join(name.split()[:2])
        self._task = self._bar.add_task(self._name, total=counts.rows_in, note="")
        self._shows = ExitStack()
        self._shows.enter_context(_running(self._bar))

    def say(self, words: str) -> None:
        with suppress(*_GONE):
            self._bar.console.print(words, markup=False, highlight=False)

    def show(self, counts: Counts, note: str) -> None:
        rows_width = 2 * len(str(counts.rows_in)) + 1
        room = self._bar.console.width - len(self._name) - rows_width - _LEAST_BAR - 3  # spaces between the columns
        note = note if len(note) <= room else f"{note[: max(room - 1, 0)]}…"
        self._bar.update(self._task, completed=counts.rows_done, total=counts.rows_in, note=note)

    def close(self) -> None:
        with suppress(*_GONE):
            self._shows.close()


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
