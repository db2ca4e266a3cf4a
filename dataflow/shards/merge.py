"""Merges the caches of a run's shards into the one below which they lie.

The journal goes first, so that whatever happens then, a run without a shard asks nothing; each step's files appear as
those of a run do, whole and its own last. A merge that was killed is run again. Nothing of the shards is changed.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.errors import ConfigError
from dataflow.journal.journal import Journal
from dataflow.journal.known import KnownPictures
from dataflow.journal.lock import locked
from dataflow.journal.merging import merge_journals
from dataflow.shards.figures import merged_meta
from dataflow.shards.parts import Part, whole_parts
from dataflow.shards.rows import failures_in_order, in_order
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import read_figures
from dataflow.utils.files import write_atomic
from dataflow.utils.held import not_stored
from dataflow.utils.open_files import connections_allowed
from dataflow.utils.row_json import dump_row
from dataflow.utils.rowfiles import Raw
from dataflow.utils.shards import journal_size
from dataflow.utils.step_files import StepFile
from dataflow.utils.step_writer import ERRORS, StepWriter


@dataclass(frozen=True, slots=True)
class MergedStep:
    """A step of all shards.

    Args:
        target: its file.
        rows: in it.
        failed: rows of its source without a result.
    """

    target: Path
    rows: int
    failed: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    Args:
        shards: how many.
        journal: bytes that were added to the journal; 0: it had all answers already.
        steps: those that were written; none: an earlier merge wrote them of the same files.
    """

    shards: int
    journal: int
    steps: Sequence[MergedStep]


def merge(cache_path: Path, progress: Callable[[str], None] = lambda what: None, *, mixed: bool = False) -> Merged:
    """Make one cache directory of the shards below it, as one run over all rows leaves it.

    Args:
        cache_path: that the runs with a shard were given.
        progress: called with what is being done.
        mixed: although shards were answered by different models.

    Raises:
        ConfigError: not all shards are finished runs of the same kind; they have costs in different currencies.
        CacheBusy: a run works in the directory or in a shard.
        JournalDamaged: a line of a journal cannot be trusted.
        NotStored: the disk does not take it.
    """
    root = cache_path.expanduser()
    parts = whole_parts(root, mixed=mixed)
    _refuse_if_all_failed(parts)
    connections_allowed()  # raises the limit of open files: each shard has some
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
    """Write the steps that are not those that an earlier merge made of the same files.

    What a run without a shard has written since then stays.
    """
    record = CacheFolder(root).merged
    before, made, now = read_figures(record).get("files", {}), [], {}
    for step in sorted(parts[0].files.values(), key=lambda file: (file.prefix, file.number)):
        name = step.path.name
        now[name] = {part.path.name: _state(part.files[step.name].path) for part in parts}
        if before.get(name) != now[name] or not (root / name).exists():
            progress(f"putting the rows of {step.name} together")
            made.append(_merge_step(root, parts, step))
    journals = {part.path.name: journal_size(part.path) for part in parts}
    try:
        write_atomic(record, orjson.dumps({"journals": journals, "files": now}))
    except OSError as error:
        raise not_stored(error, record) from error
    return made


def _state(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _refuse_if_all_failed(parts: Sequence[Part]) -> None:
    """Refuse a filter's step that nothing was judged in, as one run does; a file without rows would say otherwise.

    Raises:
        ConfigError: there is one.
    """
    for name in parts[0].files:
        figures = [part.meta(name).get("summary", {}) for part in parts]
        came, failed, rows = (sum(each.get(what, 0) for each in figures) for what in ("rows_in", "failed", "rows"))
        if failed and failed == came and not rows:
            why, _ = sum((Counter(each.get("reasons", {})) for each in figures), Counter[str]()).most_common(1)[0]
            raise ConfigError(f"every row of {name} failed in all shards: {why}. Put that right, and run them again")


def _learn_pictures(journal: Journal, part: Part) -> None:
    """What a shard's index knows of pictures: without it a run reads each again."""
    with KnownPictures(part.path).opened() as known:
        try:
            journal.index.add_pictures(known.pictures())
        except sqlite3.DatabaseError:  # damaged: the pictures are read again
            return


def _merge_step(root: Path, parts: Sequence[Part], step: StepFile) -> MergedStep:
    target, meta = root / step.path.name, root / f"{step.name}.meta.json"
    metas = [each for part in parts if (each := part.meta(step.name))]
    together = merged_meta(metas, step=step.number, target=str(target)) if metas else {}
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
        writer.commit(together)
    return MergedStep(target, rows, failed)


def _line(raw: Raw) -> bytes:
    return raw if isinstance(raw, bytes) else dump_row(raw) + b"\n"


def _sides(parts: Sequence[Part], step: StepFile) -> list[str]:
    """Names of the side outputs that any shard has; the errors are none of them."""
    begin, end = f"{step.name}.", ".jsonl"
    names = {path.name for part in parts for path in part.path.iterdir()}
    found = {name[len(begin) : -len(end)] for name in names if name.startswith(begin) and name.endswith(end)}
    return sorted(name for name in found - {ERRORS} if name.replace("_", "").isalpha())
