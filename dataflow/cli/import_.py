"""`dataflowmm import`: pictures and texts of others as rows that operators read."""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from dataflow.cli.streams import complain, say
from dataflow.ingest.run import Progress, import_rows
from dataflow.utils.row_json import dump_value

FAILED = 3
_SECONDS = 30.0  # between two lines where there is no terminal


def run_import(options: argparse.Namespace) -> int:
    """Import as the flags say; returns the exit code: 3 if records failed.

    Raises:
        ConfigError, NotStored, StepFailed, Interrupted: as `dataflow.ingest.run.import_rows`.
    """
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
        return _Lines()
    from rich.console import Console

    status = stack.enter_context(Console(stderr=True).status("reading"))
    return lambda done, of: status.update(_words(done, of))


class _Lines:
    """A line every half minute, on standard error."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, of: int | None) -> None:
        if time.monotonic() - self._said > _SECONDS:
            self._said = time.monotonic()
            complain(_words(done, of))


def _words(done: int, of: int | None) -> str:
    return f"imported {done:,} records" if of is None else f"imported {done:,} of {of:,} records"
