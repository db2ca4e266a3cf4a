"""The checks before the first request of a step: the whole source is read once, without parsing more than it must.

Parquet can hold values that JSON has no form for, and not all rows fit parquet. So where the source or the step's file
is parquet, each row is converted as it will be written, and dropped again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, InputError
from dataflow.flow.recipe import Recipe
from dataflow.utils.row_json import as_written
from dataflow.utils.rowfiles import check_fits
from dataflow.utils.storage import Step

SourceState = tuple[int, int, int]  # inode, size in bytes, mtime in nanoseconds

_MEND = (
    " Name the right ones in run(...), of a filter in its `inputs`; run the step first that makes them; or rename the"
    " columns of the file: a pipeline has no flag for them."
)
_INSTRUCT = " Pictures that have no instructions get them by `dataflowmm instruct ROWS --model NAME`"


@dataclass(frozen=True, slots=True)
class Found:
    """What `check_source` found.

    Args:
        rows: how many rows come in; a source that the step makes itself may get more.
        kept: how many of them are kept as they are, since their output column has a value.
        columns: names that at least one row has; only with `for_others` all of them. None: there are no rows, so every
            column may come.
    """

    rows: int
    kept: int = 0
    columns: frozenset[str] | None = None


def check_source(step: Step, recipe: Recipe, *, for_others: bool = False) -> Found:
    """Read every row of a step's source, count the rows and check that they have the columns that the step reads.

    Args:
        step: the step.
        recipe: what the step does.
        for_others: whether to find all columns, since later steps of an overlapped block may read others.

    Raises:
        InputError: the source is missing, empty, or broken; the message names the line.
        ConfigError: no row has a column that the step reads; a value does not fit the step's file; rows come in
            although the step makes its own.
    """
    check_fits((), step.cache_type)
    if recipe.source is not None:
        if step.options.shard is not None:
            raise ConfigError(_compares(recipe.name))
        if not recipe.source.reads_step and (step.number > 1 or step.first_entry_file_name):
            raise ConfigError(
                f"{recipe.name} makes its own rows and would pass over those of {step.source}: make it the first"
                f" step of a FileStorage without first_entry_file_name; to run it again, call storage.reset() before"
            )
        return Found(recipe.source.expected, columns=None if recipe.source.reads_step else frozenset())
    cursor = step.cursor(recipe.split_by)
    found: set[str] = set()
    absent = {*recipe.inputs, *recipe.optional}
    kept = 0
    tried: list[Row] = []
    converted = "parquet" in (step.cache_type, step.source.suffix.lower().lstrip("."))
    while rows := cursor.take(4096):
        kept += sum(recipe.keeps(row) for _, row in rows)
        if absent or not found or for_others:
            for _, row in rows:
                found.update(row)
            absent -= found
        if converted:
            tried += [as_written(row, step.source, number) for number, row in rows]
        if step.cache_type != "parquet":
            tried.clear()
    check_fits(tried, step.cache_type)
    read = max(cursor.whole, cursor.position)
    if step.number == 1 and not read:
        raise InputError(f"{step.source} is empty: give at least one row")
    absent -= cursor.names
    found |= cursor.names
    if absent and read and not (step.options.shard is not None and step.number > 1):  # rows of other shards may have it
        raise ConfigError(
            f"no row of {step.source} has {_names(absent)}; its columns are {_names(found)}."
            f"{_MEND}{_INSTRUCT if absent == {'conversations'} else ''}"
        )
    return Found(cursor.position, kept, frozenset(found) if read else None)


def check_columns(step: Step, recipe: Recipe, columns: frozenset[str] | None) -> None:
    """Check, before any step of an overlapped block asks, that earlier steps make the columns that a step reads.

    Args:
        step: the step, which runs while the step before it does.
        recipe: what the step does.
        columns: names of the columns that the first step's source has or an earlier step makes; None: not known.

    Raises:
        ConfigError: a column is not among them.
    """
    absent = set() if columns is None else {*recipe.inputs, *recipe.optional} - columns
    if columns is not None and absent:
        raise ConfigError(
            f"step {step.number} ({recipe.name}) reads {_names(absent)}, and the steps before it come to"
            f" {_names({*columns})}. Name the right ones in run(...); an operator that makes further ones names them in"
            f" its `adds`"
        )


def _compares(name: str) -> str:
    return (
        f"{name} compares its rows with one another, so no shard can run it alone. Run it without a shard, in another"
        f" cache_path, and give the shards the file that it writes: first_entry_file_name= in Python, --input of a"
        f" pipeline. A quota, or photographs that are looked for, is met by one run"
    )


def check_takes_masks(workers: Mapping[str, Worker], names: Iterable[str]) -> None:
    """Check that workers whose requests have masks can edit within them.

    Args:
        workers: name in requests → worker.
        names: of the workers whose requests have masks.

    Raises:
        ConfigError: one of these workers cannot.
    """
    for name in names:
        if problem := workers[name].mask_problem():
            raise ConfigError(problem)


def source_state(path: Path) -> SourceState | None:
    """A value that changes when a file is replaced or written; None if the file does not exist."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns


def changed(what: str) -> ConfigError:
    """The error for a source, or a row or picture of it, that changed after the step began."""
    return ConfigError(f"{what} changed while the step ran. Run it again: what was answered is kept")


def _names(columns: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(columns))
