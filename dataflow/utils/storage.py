"""The cache directory as a chain of steps, each one file: `{cache_path}/{prefix}_step{n}.{cache_type}`.

`FileStorage` counts the steps and hands them out; a `Step` says where one operator reads and writes, and never changes.
A step's file gets its name by an atomic rename, so a file that exists is complete.

Over 300 lines with its docstrings: a step and the storage that hands it out.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import orjson

from dataflow.core.arguments import checked
from dataflow.core.process_exit import ends_in_one_line
from dataflow.core.records import Row
from dataflow.core.run_options import AtLimit, Prices, RunOptions
from dataflow.core.shard import Shard
from dataflow.errors import ConfigError, InputError, RowError
from dataflow.utils.cache_folder import root_of
from dataflow.utils.figures import read_figures
from dataflow.utils.files import PathRules, moved_along
from dataflow.utils.frames import frame_of, rows_of
from dataflow.utils.rowfiles import CACHE_TYPES, RowCursor, check_is_rows
from dataflow.utils.shards import ShardCursor, ShardWriter, check_beside, shard_wanted
from dataflow.utils.step_writer import StepWriter

if TYPE_CHECKING:
    import pandas

    from dataflow.view.grid import Grid


@dataclass(frozen=True, slots=True)
class Expected:
    """What a dry run of a step expects of the step's file; the dry run of the next step reads it.

    Args:
        rows: most rows that the file will have.
        complete: whether the journal has all answers of the step already.
        samples: the first rows of the file as far as they are known, without the columns that are not made yet.
    """

    rows: int
    complete: bool
    samples: Sequence[Row]


@dataclass(slots=True)
class Use:
    """What this process did with a step since it was handed out; files on disk play no part.

    Attributes:
        state: how far the step is. A step that is "read", and so not written, or "ended by an exception" is handed out
            again.
    """

    state: Literal["untouched", "read", "running", "ended by an exception", "done"] = "untouched"

    @property
    def is_open(self) -> bool:
        """Whether the next call of `FileStorage.step` hands this step out again."""
        return self.state in ("read", "ended by an exception")


class Block(Protocol):
    """The steps of a `with storage.overlapped():` block, as `flow/overlap.py` runs them."""

    def holds(self, number: int) -> bool:
        """Whether the block has the step of this number."""

    def await_step(self, number: int) -> None:
        """Wait until the step of this number is complete; returns at once if the block has no such step."""

    def await_all(self) -> None:
        """Wait until all steps that were added so far are complete."""


class Step:
    """One step of a storage: reads the rows of `source`, writes those of `target`.

    The attributes below cannot be changed; a caller may set others of its own.

    Attributes:
        number: of the step, from 1.
        cache_path: as given to the storage.
        file_name_prefix: as given to the storage.
        cache_type: as given to the storage.
        first_entry_file_name: as given to the storage.
        source: path of the file whose rows come in.
        target: path of the step's file, which exists once the step is complete.
        errors: path of the errors file, one JSON line for each failed row; it exists only if a row failed.
        meta: path of a JSON file that says how `target` was made: models, costs, figures.
        options: how the step is run, as given to the storage.
        expected: number of a step → what its dry run expects of its file.
        use: what this process did with the step since it was handed out.
        block: the overlapped block in which the step was handed out; None outside of one.
    """

    def __init__(self, storage: "FileStorage", number: int, use: Use) -> None:
        self.number = number
        self.use = use
        self.cache_path = storage.cache_path
        self.file_name_prefix = storage.file_name_prefix
        self.cache_type = storage.cache_type
        self.first_entry_file_name = storage.first_entry_file_name
        self.options = storage.options
        self.expected = storage.expected
        self.block = storage.block
        first = storage.first_entry_file_name
        # Step 0 is no file: a storage without a first entry begins with an operator that makes its own rows.
        has_first = number == 1 and first
        self.source = Path(first).expanduser() if has_first else self._file(number - 1, storage.cache_type)
        self.target = self._file(number, storage.cache_type)
        self.errors = self._file(number, "errors.jsonl")
        self.meta = self._file(number, "meta.json")
        self._own = frozenset(self.__dict__)

    def _file(self, number: int, ending: str) -> Path:
        return Path(self.cache_path).expanduser() / f"{self.file_name_prefix}_step{number}.{ending}"

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__.get("_own", ()):
            raise AttributeError(f"a step's {name} is fixed; make another FileStorage instead")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"Step({self.number}, {str(self.source)!r} -> {str(self.target)!r})"

    @property
    def root(self) -> Path:
        """The folder below which pictures are named: the cache path, of a shard the cache path of all shards."""
        cache_path = Path(self.cache_path)
        return root_of(cache_path) if self.options.shard is None else cache_path.parent

    def with_options(self, options: RunOptions) -> "Step":
        """A copy of this step with other options."""
        step = copy(self)
        step.__dict__["options"] = options
        return step

    def cursor(self, split_by: Sequence[str] = ()) -> RowCursor:
        """A cursor at the first row that comes in; where the step before runs at the same time, waits for its end.

        Args:
            split_by: columns by which rows of the first step are divided among shards; none: by all of the row.

        Raises:
            InputError: the source is missing or of an unknown kind.
            ConfigError: the cache path has shards that do not fit this run, such as shards of another count.
        """
        if self.block is not None:
            self.block.await_step(self.number - 1)
        shard = self.options.shard
        check_beside(Path(self.cache_path).expanduser(), shard, Path(self.first_entry_file_name).expanduser())
        if self.number == 1 and not self.first_entry_file_name:
            raise InputError(
                "step 1 has nothing to read: give FileStorage a first_entry_file_name, or begin with an operator"
                " that makes its own rows, such as EditPromptGenerator"
            )
        if self.number == 1:
            check_is_rows(self.first_entry_file_name)
        if self.number > 1 and not self.source.exists():
            raise InputError(
                f"step {self.number} reads {self.source}, which does not exist: run step {self.number - 1} first, or"
                f" call storage.reset() to begin at step 1 again"
            )
        if self.number > 1:
            return RowCursor(self.source)
        if shard is not None:
            return ShardCursor(self.source, self.options.limit, shard=shard, columns=split_by)
        return RowCursor(self.source, self.options.limit)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A context manager around the work of the step; if an exception ends it, the storage repeats the step."""
        self.use.state = "running"
        try:
            yield
            self.use.state = "done"
        finally:
            if self.use.state != "done":
                self.use.state = "ended by an exception"

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows that come in, each a dict; the file is read as the caller goes on.

        Raises:
            InputError: the source is missing, or a line of it is no row.
        """
        if self.use.state == "untouched":
            self.use.state = "read"
        cursor = self.cursor()
        while rows := cursor.take(1024):
            for _, row in rows:
                yield row

    def read(self, output_type: Literal["dataframe", "dict"] = "dataframe") -> Any:
        """All rows that come in, for an operator that is written by hand.

        Args:
            output_type: "dataframe" for a pandas DataFrame, "dict" for a list of dicts.

        Raises:
            InputError: the source is missing, or a line of it is no row.
            ConfigError: another `output_type`.
        """
        rows = list(self.rows())
        if output_type == "dict":
            return rows
        if output_type == "dataframe":
            return frame_of(rows)
        raise ConfigError(f'read() takes "dataframe" or "dict", not {output_type!r}')

    def write(self, data: "pandas.DataFrame | Iterable[Row]") -> str:
        """Write all rows of this step, which completes it.

        Args:
            data: a pandas DataFrame, or dicts.

        Returns:
            The path of the step's file.

        Raises:
            ConfigError: `data` holds something else than rows, or a value that has no form in JSON.
            NotStored: the disk does not take the file.
        """
        with self.running(), self.writer() as writer:
            rows = rows_of(cast("pandas.DataFrame", data)) if hasattr(data, "to_dict") else data
            if isinstance(writer, ShardWriter):
                writer.by_hand = True
                writer.follow(self.cursor())
            for number, row in enumerate(rows, 1):
                writer.begin_row(number - 1)
                if not isinstance(row, dict):
                    raise ConfigError(f"write() takes a DataFrame or a list of dicts; this holds {row!r:.80}")
                try:
                    writer.write(row)
                except RowError as error:
                    raise ConfigError(f"write(): row {number}: {error}") from None
            writer.commit({})
        return str(self.target)

    def name_of(self, path: str) -> str:
        """The path of a picture that begins with the cache path as the user gave it.

        With a relative cache path the name stays the same wherever the cache directory is moved.

        Args:
            path: absolute. A path that does not lie below the cache path is returned as it is.
        """
        root = f"{self.root.expanduser().absolute()}{os.sep}"
        if not path.startswith(root):
            return path
        return f"{os.path.normpath(self.root)}{os.sep}{path.removeprefix(root)}"

    def side(self, name: str) -> Path:
        """The path of the side output of this name."""
        return self._file(self.number, f"{name}.jsonl")

    def writer(self, sides: Sequence[str] = ()) -> StepWriter:
        """A context manager that writes the step's files in the making.

        Args:
            sides: names of the side outputs that the step declares.

        Raises:
            ConfigError: a side output cannot have one of these names.
        """
        files = self.target, self.meta, self.root, cache(self.side), sides
        if self.options.shard is None:
            return StepWriter(*files)
        before = self.source if self.number > 1 else None
        return ShardWriter(*files, cache_path=Path(self.cache_path).expanduser(), before=before)

    def path_rules(self) -> PathRules:
        """The rules by which relative picture paths in the rows of `source` are resolved."""
        here, cache = Path.cwd(), self.root.expanduser().absolute()
        first = Path(self.first_entry_file_name).expanduser().absolute().parent
        # While the step before runs, its meta file is that of an earlier run.
        is_running = self.block is not None and self.block.holds(self.number - 1)
        recorded = self._file(self.number - 1, "meta.json") if self.number > 1 and not is_running else None
        meta = orjson.loads(recorded.read_bytes()) if recorded is not None and recorded.exists() else {}
        cwd, old = meta.get("cwd"), meta.get("cache_path")
        return PathRules(
            here,
            folders=tuple(dict.fromkeys((self.source.absolute().parent, first))),
            recorded_cwd=Path(cwd) if cwd and Path(cwd) != here else None,
            moved=moved_along(Path(old), cache) if old and Path(old) != cache else _moved_rows(self.source.absolute()),
        )


def _moved_rows(rows: Path) -> tuple[Path, Path] | None:
    """The folder in which an import stored the pictures of a row file, and the one they were moved to with that file.

    None where the file comes of no import, or was not moved.
    """
    old = read_figures(rows.with_name(f"{rows.stem}.meta.json")).get("store")
    if not isinstance(old, str) or Path(old).parent == rows.parent or Path(old).exists():
        return None
    return moved_along(Path(old), rows.parent / Path(old).name)


class FileStorage:
    """A cache directory and the steps that are run in it, in order.

    `step()` hands out the next step, which an operator's `run` takes. `read`, `rows` and `write` are those of the step
    that was handed out last. A step that an exception ended, or that was read and not written, is handed out again: so
    a cell of a notebook may be run until it succeeds, and looking at rows does not move on.

    Args:
        first_entry_file_name: path of the rows of step 1, a .jsonl, .json, .csv or .parquet file; None where the
            operator of step 1 makes its own rows.
        cache_path: folder of the step files, of the journal and usually of the pictures; created where it is missing.
        file_name_prefix: the part of the names of step files before `_step{n}`.
        cache_type: type of the step files: "jsonl" (streamed), "json", "csv" or "parquet".
        limit: how many rows of the first step a preview takes; None: all rows. `RunOptions` says more of this parameter
            and of the next four.
        max_cost: the most that may be spent in the cache directory, in USD; None: the environment's `DF_MAX_COST`.
        at_limit: what a step does when `max_cost` has no room for the next request: "stop" or "finish".
        prices: path of a price file, or a dict from the name of a model to its price; None: the shipped prices.
        dry_run: whether to send no request and only say what a run would send and cost.
        shard: a part of the rows, such as "3/16", which is run in a folder of its own below `cache_path`; see
            docs/clusters.md. None: the shard in the environment's `DF_SHARD`, else all rows.
        options: these six as one `RunOptions`, together with its `overwrite` and `retry_rejected`.

    Raises:
        ConfigError: an unknown `cache_type`; a `limit` below 1; no such shard; a shard and a folder in
            `file_name_prefix`; `options` together with one of the six.
    """

    @checked
    def __init__(
        self,
        first_entry_file_name: str | os.PathLike[str] | None = None,
        cache_path: str | os.PathLike[str] = "./cache",
        file_name_prefix: str = "dataflow_cache_step",
        cache_type: str = "jsonl",
        *,
        limit: int | None = None,
        max_cost: float | None = None,
        at_limit: AtLimit = "stop",
        prices: Prices | None = None,
        dry_run: bool = False,
        shard: Shard | str | None = None,
        options: RunOptions | None = None,
    ) -> None:
        if cache_type not in CACHE_TYPES:
            raise ConfigError(f"cache_type is {cache_type!r}; choose one of {', '.join(CACHE_TYPES)}")
        if first_entry_file_name is not None and not os.fspath(first_entry_file_name):
            raise ConfigError("first_entry_file_name is empty: give the path of the input rows (.jsonl)")
        self.first_entry_file_name = "" if first_entry_file_name is None else os.fspath(first_entry_file_name)
        self.file_name_prefix = file_name_prefix
        self.cache_type = cache_type
        named = None if shard is None else shard_wanted(shard)
        keywords = RunOptions(limit, max_cost, at_limit, prices, dry_run, shard=named)
        if options is not None and keywords != RunOptions():
            raise ConfigError("options= holds limit, max_cost, prices and the like: give FileStorage one or the other")
        options = options or keywords
        shard = shard_wanted(options.shard)
        if shard is not None and "/" in file_name_prefix:
            raise ConfigError(f"file_name_prefix is {file_name_prefix!r}: of a shard it may name no folder")
        self.options = options if shard is None else replace(options, shard=shard)
        self.cache_path = os.fspath(cache_path) if shard is None else str(Path(cache_path, shard.folder))
        self.expected: dict[int, Expected] = {}
        self.operator_step = 0
        self.block: Block | None = None
        self._use = Use()

    def __repr__(self) -> str:
        step = f", at step {self.operator_step}" if self.operator_step else ""
        return f"FileStorage({self.first_entry_file_name or None!r}, {self.cache_path!r}{step})"

    def step(self) -> Step:
        """The next step; the last one again if an exception ended it, or if it was read and not written.

        Only what this object did decides: a step that was handed out and never begun, or that only a dry run began, is
        not handed out again. Within `overlapped()` each call hands out the next step.
        """
        if self.block is not None or not self._use.is_open:
            self.operator_step += 1
            self._use = Use()
        return self.current

    @contextmanager
    def overlapped(self) -> Iterator[None]:
        """A context manager whose steps run at once: each begins with the first rows that the step before has written.

        `run()` returns at once; reading the summary that it returns waits for the step, and so does an operator written
        by hand that reads its step. At the end of the block all steps are complete. Otherwise all have stopped, the
        first error is raised, and `step()` hands out the first step of the block again.

        A dry run counts the steps one after another. A block within a block waits at its end for the steps so far.

        Raises:
            ConfigError: a step reads a column that is neither in the first rows nor made by an earlier step; nothing
                was spent.
            DataflowError: what stopped the first step that failed, as `run` of its operator says.
        """
        from dataflow.flow.overlap import Overlap  # late: `flow` stands above this floor

        if self.options.dry_run or self.block is not None:
            yield
            if self.block is not None:
                self.block.await_all()
            return
        first = self.operator_step - self._use.is_open
        self.operator_step, self._use = first, Use()
        try:
            with ends_in_one_line(), Overlap.block() as self.block:
                yield
        except BaseException:
            self.operator_step, self._use = first, Use()
            raise
        finally:
            self.block = None

    def reset(self) -> "FileStorage":
        """Make the next `step()` hand out step 1 again; returns the storage itself."""
        self.operator_step = 0
        self._use = Use()
        return self

    @property
    def current(self) -> Step:
        """The step that was handed out last.

        Raises:
            ConfigError: `step()` was never called.
        """
        if not self.operator_step:
            raise ConfigError("call storage.step() before reading or writing: it moves on to the next step")
        return Step(self, self.operator_step, self._use)

    def _repr_html_(self) -> str:
        """HTML for a notebook: the state of the cache directory, and the first rows of the current step."""
        from dataflow.view.html import storage_html  # late: only a notebook needs the code for pictures

        return storage_html(self.cache_path, self.current if self.operator_step else None)

    def show(self, count: int = 12) -> "Grid":
        """Show rows of the step that was handed out last as cards in a notebook, rows without an accepted result first.

        Within `overlapped()` it waits until the step is complete.

        Args:
            count: most cards.

        Raises:
            ConfigError: `step()` was never called.
        """
        from dataflow.view.grid import grid_of  # late: only a notebook needs the code for pictures

        if self.block is not None:
            self.block.await_step(self.operator_step)
        return grid_of(self.current, count)

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows that come into the current step; see `Step.rows`."""
        return self.current.rows()

    def read(self, output_type: Literal["dataframe", "dict"] = "dataframe") -> Any:
        """All rows that come into the current step; see `Step.read`."""
        return self.current.read(output_type)

    def write(self, data: "pandas.DataFrame | Iterable[Row]") -> str:
        """Write all rows of the current step, which completes it; see `Step.write`."""
        return self.current.write(data)
