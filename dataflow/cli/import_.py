"""`dataflowmm import`: pictures and texts of others as rows that operators read."""

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
_MOVES, _SECONDS = 0.1, 30.0  # seconds between two looks, on a terminal and elsewhere


def run_import(options: argparse.Namespace) -> int:
    """Import as the flags say; returns the exit code: 3 if records failed.

    Raises:
        ConfigError, NotStored, StepFailed, Interrupted: as `dataflow.ingest.run.import_rows`.
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
    """A line that moves, on a terminal; else one every half minute."""
    if not sys.stderr.isatty():
        return NowAndThen(complain, _SECONDS)
    from rich.console import Console

    return NowAndThen(stack.enter_context(Console(stderr=True).status("reading")).update, _MOVES)


class NowAndThen:
    """Says how far an import is, but not after each record.

    Args:
        show: a line.
        seconds: between two.
    """

    def __init__(self, show: Callable[[str], None], seconds: float) -> None:
        self._show, self._seconds = show, seconds
        self._said = time.monotonic()

    def __call__(self, done: int, of: int | None) -> None:
        """So many records are done, of so many."""
        if time.monotonic() - self._said > self._seconds:
            self._said = time.monotonic()
            self._show(_words(done, of))


def _words(done: int, of: int | None) -> str:
    return f"imported {count_of(done, 'record')}" if of is None else f"imported {done:,} of {count_of(of, 'record')}"
