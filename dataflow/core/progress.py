"""What the person at the terminal sees while a step runs, and the line it ends with.

On a terminal a bar; without one a line every 30 s on standard error. `DF_LOG_LEVEL` of ERROR or
above turns both off.
"""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.core.estimate import Estimate, count_of, duration, show_amount, three_digits
from dataflow.core.records import NANO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_LINE_SECONDS = 30.0
_BAR_SECONDS = 0.1
_ROOMY = 110  # columns; with fewer the operator's name makes room for what changes
_LEAST_BAR = 4


@dataclass(slots=True)
class Counts:
    """What happened in one run of a step so far."""

    rows: int = 0
    failed: int = 0
    sent: int = 0
    in_flight: int = 0
    retried: int = 0
    reused: int = 0
    adopted: int = 0
    lost: int = 0
    maybe_paid: int = 0
    pictures: int = 0
    accepted: int = 0
    cost: int = 0  # billionths of the currency
    currency: str = ""
    untold: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    limit: str = ""  # of 64, 590 a minute
    pause: str = ""  # what answers wait for
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run of a step came to.

    Args:
        step: the step's number.
        target: path of the step's file.
        rows: rows written, failed ones included but for those of a filter or a source.
        failed: rows without a result.
        reasons: how many rows failed for each reason.
        requests: requests sent in this run, retries included.
        reused: answers taken from the journal.
        adopted: pictures that lay whole on disk without a journal line.
        lost: journalled answers asked again because their picture was gone.
        maybe_paid: requests that may have been paid without an answer: of this run, those that broke off after
            they were sent; of earlier runs, those that were sent and never ended.
        seconds: wall time.
        pictures: pictures received in this run.
        currency: of the costs; empty where nobody charges.
        cost: what this run of the step cost, failed attempts and refusals included.
        spent: what everything in the directory has cost so far, by its journal.
        unsure: what attempts that told no cost, or were cut off, may have cost at most beside that.
        untold: attempts of this run whose cost is unknown: nobody told, or the model has no price.
        unpriced: attempts in the directory whose cost nobody told, and whose model has no price.
        input_tokens: tokens sent in this run, as the replies told.
        output_tokens: tokens that came back.
        accepted: pictures in the step's file that were made for it, in this run or before.
        estimate: of a dry run, which sent and wrote nothing.
    """

    step: int
    target: str
    rows: int
    failed: int
    reasons: Mapping[str, int]
    requests: int
    reused: int
    adopted: int
    lost: int
    maybe_paid: int
    seconds: float
    pictures: int
    currency: str = ""
    cost: float = 0.0
    spent: float = 0.0
    unsure: float = 0.0
    untold: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    accepted: int = 0
    estimate: Estimate | None = None

    @property
    def cost_per_image(self) -> float | None:
        """What the directory has cost so far for each accepted picture; None if there is none, or it is not known."""
        return self.spent / self.accepted if self.accepted and self.currency and not self.unpriced else None

    def __str__(self) -> str:
        if self.estimate is not None:
            return self._rehearsed(self.estimate)
        parts = [f"step {self.step}: {count_of(self.rows, 'row')}", f"{self.failed:,} failed"]
        if self.failed:
            parts[1] += f" ({self._why()})"
        if self.pictures:
            parts.append(f"{three_digits(self.pictures / max(self.seconds, 1e-3))} images/s")
        parts.append(f"{count_of(self.requests, 'request')} sent, {self.reused:,} answered before")
        if self.adopted:
            parts.append(f"{count_of(self.adopted, 'picture')} adopted")
        if self.lost:
            parts.append(f"{self.lost:,} asked again (picture gone)")
        if self.maybe_paid:
            parts.append(f"{self.maybe_paid:,} may have been paid without an answer")
        if self.currency:
            parts.append(self._money())
        parts.append(f"{self.seconds:.1f} s")
        return ", ".join(parts) + f" -> {self.target}"

    def _rehearsed(self, estimate: Estimate) -> str:
        upto = "up to " if estimate.up_to else ""
        parts = [f"step {self.step} (dry run): {upto}{count_of(self.rows, 'row')}"]
        if self.failed:
            parts.append(f"{self.failed:,} cannot be asked ({self._why()})")
        parts.append(estimate.describe(self.currency))
        if self.lost:
            parts.append(f"{self.lost:,} of them again (picture gone)")
        if self.spent or self.unsure:
            parts.append(f"{show_amount(round(self.spent * NANO), self.currency)} spent so far")
        return ", ".join(parts)

    def _why(self) -> str:
        """The most frequent reason, and how many rows failed for others."""
        reason, times = max(self.reasons.items(), key=lambda item: item[1])
        others = self.failed - times
        return f"{times:,} x {reason[:120]}" + (f", {others:,} for other reasons" if others else "")

    def _money(self) -> str:
        def show(amount: float) -> str:
            return show_amount(round(amount * NANO), self.currency)

        parts = [f"{show(self.cost)} spent" + (" as far as known" if self.unpriced else "")]
        if self.spent > self.cost:
            parts.append(f"{show(self.spent)} in all")
        if self.unsure:
            parts.append(f"up to {show(self.unsure)} more by requests that told no cost")
        if self.unpriced:
            unknown = f"{count_of(self.unpriced, 'attempt')} of unknown cost"
            parts.append(f"{unknown}: the model has no price, give one with prices= or --prices")
        elif self.untold:
            parts.append(f"{count_of(self.untold, 'attempt')} of unknown cost")
        if self.cost_per_image is not None:
            parts.append(f"{show(self.cost_per_image)} per accepted picture")
        if self.input_tokens or self.output_tokens:
            parts.append(f"{self.input_tokens:,} tokens in and {self.output_tokens:,} out")
        return f"{parts[0]} ({', '.join(parts[1:])})" if len(parts) > 1 else parts[0]


class Progress:
    """Shows the counts of a running step; a context manager, updated from the runner's thread.

    Args:
        name: of the step.
        total: rows it has.
        counts: kept up to date by the runner.
    """

    def __init__(self, name: str, total: int, counts: Counts) -> None:
        self._name = name
        self._total = total
        self._counts = counts
        self._began = self._shown = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._shows = ExitStack()
        self._first_rows: int | None = None

    def __enter__(self) -> "Progress":
        level = logging.getLevelName(os.environ.get("DF_LOG_LEVEL", "INFO").upper())
        self._silent = isinstance(level, int) and level > logging.WARNING
        if not self._silent and sys.stderr.isatty():
            self._bar = _make_bar()
            if self._bar.console.width < _ROOMY:
                self._name = " ".join(self._name.split()[:2])
            self._task = self._bar.add_task(self._name, total=self._total, note="")
            self._shows.enter_context(_running(self._bar))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._show(self._bar)
        self._shows.close()

    def tick(self) -> None:
        """Show the counts if it is time to."""
        now, counts = time.monotonic(), self._counts
        if counts.sent and (self._first_rows is None or (counts.pause and counts.rows == self._first_rows)):
            self._first_rows, self._began = counts.rows, now  # neither what was known before nor warming up is speed
        if now - self._shown < (_LINE_SECONDS if self._bar is None else _BAR_SECONDS):
            return
        self._shown = now
        if self._bar is not None:
            self._show(self._bar)
        elif not self._silent:
            sys.stderr.write(f"{self._name}: {self._counts.rows:,}/{self._total:,} rows, {self._note()}\n")
            sys.stderr.flush()

    def _show(self, bar: "Bar") -> None:
        assert self._task is not None
        rows_width = 2 * len(str(self._total)) + 1
        room = bar.console.width - len(self._name) - rows_width - _LEAST_BAR - 3  # spaces between the columns
        note = self._note()
        note = note if len(note) <= room else f"{note[: max(room - 1, 0)]}…"
        bar.update(self._task, completed=self._counts.rows, note=note)

    def _note(self) -> str:
        counts = self._counts
        done = counts.rows - (self._first_rows or 0)
        rate = done / max(time.monotonic() - self._began, 1e-3)
        parts = [f"{three_digits(rate)}/s", f"{counts.in_flight} in flight{counts.limit}"]
        if counts.currency:
            parts.append(show_amount(counts.cost, counts.currency))
        if counts.pause:
            parts.append(counts.pause)
        if counts.retried:
            parts.append(f"{counts.retried} retried")
        if counts.failed:
            parts.append(f"{counts.failed} failed")
        if done and self._total > counts.rows:
            parts.append(f"{duration((self._total - counts.rows) / rate)} left")
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
