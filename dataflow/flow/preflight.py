"""What is looked at before a step's first request: the whole source, once, at line speed.

Rows that parquet holds have values without a form in JSON, and not all rows have a form in parquet: where either is the
kind of a file, each row is brought into the form of the step's file and thrown away again.
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

SourceState = tuple[int, int, int]

_INSTRUCT = " Pictures that have no instructions get them by `dataflowmm instruct ROWS --model NAME`"


@dataclass(frozen=True, slots=True)
class Found:
    """What a source holds.

    Args:
        rows: that come in; a source of the step's own may grow.
        kept: of these, rows that nothing is asked for, since they have a value in the output column.
        columns: of which some row has a field, all of them if all were looked for; None: it holds no row, so any.
    """

    rows: int
    kept: int = 0
    columns: frozenset[str] | None = None


def check_source(step: Step, recipe: Recipe, *, for_others: bool = False) -> Found:
    """Read every row, count them and look for the named columns.

    Args:
        step: whose source it is.
        recipe: of the step.
        for_others: look for all columns, since steps behind this one need some that it does not.

    Raises:
        InputError: the source is missing, empty, or broken at a line that is named.
        ConfigError: a column is in none of the rows; a value has no form in the step's file; rows come in where the
            step makes its own.
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
    if absent and read and not (step.options.shard is not None and step.number > 1):  # others may have the column
        raise ConfigError(
            f"no row of {step.source} has {_names(absent)}; its columns are {_names(found)}."
            f" Name the right ones in run(...), or rename those of the file: a pipeline has no flag for them."
            f"{_INSTRUCT if absent == {'conversations'} else ''}"
        )
    return Found(cursor.position, kept, frozenset(found) if read else None)


def check_columns(step: Step, recipe: Recipe, columns: frozenset[str] | None) -> None:
    """Look for the named columns among those that the steps before a step come to, before any of them asks.

    Args:
        step: that runs while the one before it does.
        recipe: of the step.
        columns: of the first step's source, and those that steps make; None: not known.

    Raises:
        ConfigError: a column is none of them.
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
    """Check that workers edit within masks that they are given.

    Args:
        workers: by the name that requests use.
        names: of those that are given masks.

    Raises:
        ConfigError: one does not.
    """
    for name in names:
        if problem := workers[name].mask_problem():
            raise ConfigError(problem)


def source_state(path: Path) -> SourceState | None:
    """What differs when a file was replaced or written to; None when it is gone."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns


def changed(what: str) -> ConfigError:
    """The error for a source that is not what it was when the step began."""
    return ConfigError(f"{what} changed while the step ran. Run it again: what was answered is kept")


def _names(columns: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(columns))
