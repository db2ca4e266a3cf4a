"""`dataflowmm import`: makes rows that operators read of folders, tables and archives."""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dataflow.cli.streams import complain, say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.ingest.run import Progress, import_rows
from dataflow.utils.row_json import dump_value

FAILED = 3
_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 30.0  # between two lines of progress, on a terminal and elsewhere


def run_import(options: argparse.Namespace) -> int:
    """Import the source that the flags name; returns the exit code: 0, or 3 if records failed.

    Raises:
        ConfigError, NotStored, StepFailed, Interrupted: see `dataflow.ingest.run.import_rows`.
    """
    if options.others:
        count = len(options.others) + 1
        raise ConfigError(f"{count:,} SOURCES: give a folder, or put a pattern into quotes: 'train-*.parquet'")
    with ExitStack() as stack:
        done = import_rows(
            options.source,
            Path(options.out),
            columns=options.columns,
            kind=options.kind,
            store=options.store,
            copy=options.copy,
            root=options.root,
            revision=options.revision,
            picture_hosts=options.picture_hosts,
            skip_dead=options.skip_dead,
            limit=options.limit,
            dry_run=options.dry_run,
            progress=_progress(stack),
        )
    for row in done.samples:
        say(dump_value(row).decode())
    say(str(done))
    return FAILED if done.failed else 0


def _progress(stack: ExitStack) -> Progress:
    """A callable that shows progress: in one line of a terminal, or elsewhere as a line every half minute."""
    if not sys.stderr.isatty():
        return NowAndThen(complain, _LOG_SECONDS)
    from rich.console import Console

    return NowAndThen(stack.enter_context(Console(stderr=True).status("reading")).update, _TERMINAL_SECONDS)


class NowAndThen:
    """Shows how many records an import has done, at most once in a while.

    Args:
        show: takes the line to show.
        seconds: least time between two lines.
    """

    def __init__(self, show: Callable[[str], None], seconds: float) -> None:
        self._show, self._seconds = show, seconds
        self._shown_at = time.monotonic()

    def __call__(self, done: int, of: int | None) -> None:
        """Show the count if the last line is old enough.

        Args:
            done: records done so far.
            of: all records; None: their number is not known.
        """
        if time.monotonic() - self._shown_at > self._seconds:
            self._shown_at = time.monotonic()
            self._show(_line(done, of))


def _line(done: int, of: int | None) -> str:
    return f"imported {count_of(done, 'record')}" if of is None else f"imported {done:,} of {count_of(of, 'record')}"
