"""Shows the progress of steps while they run.

Each step has a bar on a terminal, a line that is renewed in a notebook, and elsewhere a line on standard error every
30 s. `DF_LOG_LEVEL` of ERROR or above turns all of them off. A run goes on when its terminal or pipe is gone.
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
from dataflow.flow.counts import Counts, kept_words
from dataflow.flow.notebook_progress import CellLines

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_GONE = (OSError, ValueError)  # raised by a pipe, terminal or file whose reader is gone
_ROOMY = 110  # columns; a narrower terminal shows only the number of a step, and not its operator
_LEAST_BAR = 4  # columns


class _Display(Protocol):
    """A way to show the progress of steps, which it knows by their names.

    Attributes:
        seconds: between two calls of `show`.
    """

    seconds: float

    def say(self, name: str, words: str) -> None:
        """Show a line that stays."""

    def show(self, name: str, counts: Counts, note: str) -> None:
        """Show the counts of a step as they are now."""

    def close(self) -> None:
        """Stop showing; what was shown last stays."""


class Progress:
    """A context manager that shows the counts of running steps; only one thread may use it.

    Args:
        steps: name → counts, which the thread of the step updates; nothing is shown if there are none.
    """

    def __init__(self, steps: Mapping[str, Counts]) -> None:
        self._open = {**steps}  # steps whose last counts were not shown yet
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
        """Show the counts if the last time was long enough ago."""
        now = time.monotonic()
        if self._display is not None and now - self._shown >= self._display.seconds:
            self._shown = now
            self._show(self._display)

    def _show(self, display: _Display) -> None:
        """Show the counts of each step; those of a step that has ended only once, since its speed would fall on."""
        for name, counts in [*self._open.items()]:
            if counts.is_over:
                del self._open[name]
            display.show(name, counts, plain(self._note(counts)))

    def _note(self, counts: Counts) -> str:
        """The text beside a bar: speed, requests in flight, cost, pauses, failures and the time that remains."""
        if counts.ends_in is not None:
            most = duration(max(0.0, counts.ends_in))
            return f"stopping: {counts.in_flight} in flight, {most} at most; {stop_key()} again cuts them off"
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
    """A line every 30 seconds, for a log."""

    seconds = 30.0

    def say(self, name: str, words: str) -> None:
        with suppress(*_GONE, AttributeError):  # AttributeError: standard error was closed before the start
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
        prefix = f"{name}: " if len(self._tasks) > 1 else ""
        with suppress(*_GONE):
            self._bars.console.print(f"{prefix}{words}", markup=False, highlight=False)

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
    """The bars on standard error: name, bar, rows done and the note of each step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    rows = MofNCompleteColumn(table_column=Column(no_wrap=True))  # on a narrow terminal only the bar shrinks
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), rows)
    note, console = TextColumn("{task.fields[note]}", markup=False), Console(stderr=True)
    return Bar(*columns, note, console=console, refresh_per_second=8, redirect_stdout=sys.stdout.isatty())


@contextmanager
def _running(bar: "Bar") -> Iterator[None]:
    """A context manager that shows bars; log lines that go to the terminal are printed above them meanwhile."""
    terminals = sys.stdout, sys.stderr
    loggers = [logging.getLogger(), *list(logging.root.manager.loggerDict.values())]
    handlers = {handler for logger in loggers for handler in getattr(logger, "handlers", ())}
    streamed = [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]
    shown = [handler for handler in streamed if handler.stream in terminals]
    moved = [(handler, handler.stream) for handler in shown]
    with bar:
        for handler, stream in moved:
            handler.setStream(sys.stdout if stream is terminals[0] else sys.stderr)
        try:
            yield
        finally:
            for handler, stream in moved:
                handler.setStream(stream)
