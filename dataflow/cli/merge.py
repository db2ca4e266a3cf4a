"""`dataflowmm merge`: makes one cache directory of the shards of a run, once all shards are finished."""

import sys
from contextlib import ExitStack
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.shards import merge


def run_merge(cache_dir: Path, *, mixed: bool = False) -> None:
    """Merge the shards below a cache path, and print what was written.

    Args:
        cache_dir: the cache path that the runs with `--shard` were given.
        mixed: merge shards that were answered by different models, too.

    Raises:
        ConfigError, CacheBusy, JournalDamaged, NotStored: see `dataflow.shards.merge`.
    """
    with ExitStack() as stack:
        if sys.stderr.isatty():
            from rich.console import Console

            status = stack.enter_context(Console(stderr=True).status("reading"))
            merged = merge(cache_dir, status.update, mixed=mixed)
        else:
            merged = merge(cache_dir, mixed=mixed)
    for step in merged.steps:
        say(f"{step.target}: {count_of(step.rows, 'row')}, {step.failed:,} failed")
    if not merged.steps:
        say(f"{cache_dir}: its steps are those of its {count_of(merged.shards, 'shard')} already")
        return
    say(f"Merged {count_of(merged.shards, 'shard')}. A run without a shard asks nothing that one of them asked.")
