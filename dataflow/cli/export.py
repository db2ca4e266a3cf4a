"""`dataflowmm export`: the accepted rows of a cache directory as files that trainers read."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.export import export
from dataflow.export.plan import Progress


def run_export(options: argparse.Namespace) -> None:
    """Export the rows that the flags choose, and print a summary.

    Raises:
        ConfigError: a flag is wrong, or a row may not be exported; see `dataflow.export.export`.
    """
    with ExitStack() as stack:
        exported = export(
            Path(options.cache_dir),
            options.to,
            Path(options.out),
            step=options.step,
            where=options.where,
            split=options.split,
            mix=options.mix,
            language=options.language,
            sizes=options.sizes,
            skip=options.skip,
            rejected=options.rejected,
            labels=options.labels,
            dry_run=options.dry_run,
            progress=_progress(stack),
        )
    say(str(exported))


def _progress(stack: ExitStack) -> Progress:
    """A callable that shows progress in one line of a terminal; where no terminal is, it shows nothing."""
    if not sys.stderr.isatty():
        return lambda what, done: None
    from rich.console import Console

    status = stack.enter_context(Console(stderr=True).status("reading"))
    return lambda what, done: status.update(f"{what}: {done:,}")
