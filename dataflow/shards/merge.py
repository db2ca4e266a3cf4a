"""Merges the cache directories of a run's shards into the cache directory in which the shards lie.

The journals are merged first: from then on a run without a shard asks nothing, even if the merge is killed. Each step's
files appear as those of a run do: whole, and the step file last. A killed merge is started again. The shards' own files
are never changed.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.errors import ConfigError
from dataflow.journal.journal import Journal
from dataflow.journal.lock import locked
from dataflow.journal.merging import merge_journals
from dataflow.journal.picture_facts import KnownPictures
from dataflow.shards.figures import merged_meta
from dataflow.shards.parts import Part, whole_parts
from dataflow.shards.rows import failures_in_order, in_order
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.figures import read_figures
from dataflow.utils.files import write_atomic
from dataflow.utils.open_files import connections_allowed
from dataflow.utils.row_json import dump_row
from dataflow.utils.rowfiles import Raw
from dataflow.utils.shards import journal_size
from dataflow.utils.step_files import StepFile
from dataflow.utils.step_writer import ERRORS, StepWriter


@dataclass(frozen=True, slots=True)
class MergedStep:
    """A step whose shards were merged.

    Args:
        target: path of the merged file.
        rows: rows in the file.
        failed: rows of the step's source without a result.
    """

    target: Path
    rows: int
    failed: int


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge.

    Args:
        shards: number of shards.
        journal: bytes that were added to the journal; 0: the journal had all answers already.
        steps: the steps that were written; none: an earlier merge has written them from the same files.
    """

    shards: int
    journal: int
    steps: Sequence[MergedStep]


def merge(cache_path: Path, progress: Callable[[str], None] = lambda what: None, *, mixed: bool = False) -> Merged:
    """Make one cache directory of the shards in it, equal to that of one run over all rows.

    Args:
        cache_path: the cache path that the runs with a shard were given.
        progress: called with the work that begins, in words.
        mixed: merge shards that were answered by different models, too.

    Raises:
        ConfigError: a shard is no finished run, or the shards are of different runs or have different currencies.
        CacheBusy: a run works in the directory or in a shard.
        JournalDamaged: a journal has a damaged line.
        NotStored: the disk does not take a file.
    """
    root = cache_path.expanduser()
    parts = whole_parts(root, mixed=mixed)
    _refuse_if_all_failed(parts)
    connections_allowed()  # raises the limit of open files, since each shard has several
    with locked([part.path for part in parts]):
        with locked([root]):
            progress("putting the journals together")
            added = _merge_journals(root, parts)
        with Journal.opened(root) as journal:
            for part in parts:
                _learn_pictures(journal, part)
            steps = _merge_steps(root, parts, progress)
    return Merged(len(parts), added, steps)


def _merge_journals(root: Path, parts: Sequence[Part]) -> int:
    try:
        return merge_journals(root, [part.path for part in parts])
    except OSError as error:
        raise not_stored(error, CacheFolder(root).journal) from error


def _merge_steps(root: Path, parts: Sequence[Part], progress: Callable[[str], None]) -> list[MergedStep]:
    """Write the steps whose shards have changed since the last merge, and record the state of all of them.

    A merged step whose shards are as they were stays, since a run without a shard may have written it anew.
    """
    record = CacheFolder(root).merged
    before, written, now = read_figures(record).get("files", {}), [], {}
    for step in sorted(parts[0].files.values(), key=lambda file: (file.prefix, file.number)):
        name = step.path.name
        now[name] = {part.path.name: _state(part.files[step.name].path) for part in parts}
        if before.get(name) != now[name] or not (root / name).exists():
            progress(f"putting the rows of {step.name} together")
            written.append(_merge_step(root, parts, step))
    journals = {part.path.name: journal_size(part.path) for part in parts}
    try:
        write_atomic(record, orjson.dumps({"journals": journals, "files": now}))
    except OSError as error:
        raise not_stored(error, record) from error
    return written


def _state(path: Path) -> list[int]:
    """Size and time of a file, which change with its contents."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _refuse_if_all_failed(parts: Sequence[Part]) -> None:
    """Refuse a filter whose rows all failed, as a run does: an empty file would look like rows judged and dropped.

    Raises:
        ConfigError: there is such a step.
    """
    for name in parts[0].files:
        figures = [part.meta(name).get("summary", {}) for part in parts]
        rows_in, failed, rows = (sum(each.get(what, 0) for each in figures) for what in ("rows_in", "failed", "rows"))
        if failed and failed == rows_in and not rows:
            why, _ = sum((Counter(each.get("reasons", {})) for each in figures), Counter[str]()).most_common(1)[0]
            raise ConfigError(f"every row of {name} failed in all shards: {why}. Put that right, and run them again")


def _learn_pictures(journal: Journal, part: Part) -> None:
    """Copy what a shard's index knows of pictures; otherwise the next run would read each picture again."""
    with KnownPictures(part.path).opened() as known:
        try:
            journal.index.add_pictures(known.pictures())
        except sqlite3.DatabaseError:  # the index is damaged, so the next run reads the pictures again
            return


def _merge_step(root: Path, parts: Sequence[Part], step: StepFile) -> MergedStep:
    target, meta = root / step.path.name, root / f"{step.name}.meta.json"
    metas = [each for part in parts if (each := part.meta(step.name))]
    merged = merged_meta(metas, step=step.number, target=str(target)) if metas else {}
    source = target.with_name(f"{step.prefix}_step{step.number - 1}{target.suffix}")
    sides = _sides(parts, step)
    rows = failed = 0
    with StepWriter(target, meta, root, lambda name: root / f"{step.name}.{name}.jsonl", sides) as writer:
        for raw in in_order(parts, target.name):
            writer.write_line(_line(raw))
            rows += 1
        for name in sides:
            for raw in in_order(parts, f"{step.name}.{name}.jsonl"):
                writer.write_line(_line(raw), name)
        for row in failures_in_order(parts, step, source):
            writer.side(ERRORS, row)
            failed += 1
        writer.commit(merged)
    return MergedStep(target, rows, failed)


def _line(raw: Raw) -> bytes:
    return raw if isinstance(raw, bytes) else dump_row(raw) + b"\n"


def _sides(parts: Sequence[Part], step: StepFile) -> list[str]:
    """Names of the side outputs that any shard has, without the errors, which are merged otherwise."""
    begin, end = f"{step.name}.", ".jsonl"
    names = {path.name for part in parts for path in part.path.iterdir()}
    found = {name[len(begin) : -len(end)] for name in names if name.startswith(begin) and name.endswith(end)}
    return sorted(name for name in found - {ERRORS} if name.replace("_", "").isalpha())
