"""The cache directory as a chain of steps, each one file: `{cache_path}/{prefix}_step{n}.{cache_type}`.

`FileStorage` counts; a `Step` is where one operator reads and writes and never changes. A final file
appears by atomic rename, so if it exists it is complete.

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
from dataflow.core.leaving import ends_in_one_line
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
    """What a dry run of a step expects of its file.

    Args:
        rows: at most.
        complete: every answer is there already.
        samples: the first of the rows that come out; columns that are not made yet are missing.
    """

    rows: int
    complete: bool
    samples: Sequence[Row]


@dataclass(slots=True)
class Use:
    """What this process did with a step that was handed out; what lies on disk plays no part.

    Attributes:
        state: "ended by an exception" and "read", which is read and never written, are to be done again.
    """

    state: Literal["untouched", "read", "running", "ended by an exception", "done"] = "untouched"

    @property
    def is_open(self) -> bool:
        """Whether the step is to be done again."""
        return self.state in ("read", "ended by an exception")


class Block(Protocol):
    """The steps of `with storage.overlapped():`."""

    def holds(self, number: int) -> bool:
        """Whether this step is one of the block's."""

    def await_step(self, number: int) -> None:
        """Return when this step is complete, or none of the block's."""

    def await_all(self) -> None:
        """Return when all steps so far are complete."""


class Step:
    """One step of a storage: reads `source`, writes `target`.

    Its own attributes cannot be changed; others may be set freely.

    Attributes:
        number: from 1.
        cache_path, file_name_prefix, cache_type, first_entry_file_name: as given to the storage.
        source: the file whose rows come in.
        target: the file whose existence means that the step is complete.
        errors: one line per failed row, when there are any.
        meta: what is known about how `target` was made.
        options: as given to the storage.
        expected: what dry runs of this storage found, by the number of the step.
        use: what was done with it, shared by all objects of the step since it was handed out.
        block: of the steps that run at once, if it was handed out in one.
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
        """The cache path below which pictures are named: of a shard that of all shards."""
        cache_path = Path(self.cache_path)
        return root_of(cache_path) if self.options.shard is None else cache_path.parent

    def with_options(self, options: RunOptions) -> "Step":
        """The same step, run with other options."""
        other = copy(self)
        other.__dict__["options"] = options
        return other

    def cursor(self, split_by: Sequence[str] = ()) -> RowCursor:
        """The rows that come in, from the first; waits for the step before where both run at once.

        Args:
            split_by: columns that decide which shard a row of the first step is of; none: all of the row.

        Raises:
            InputError: the source is missing or of an unknown kind.
            ConfigError: other shards do not go with what is asked for.
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
        """The step is being done; it is to be done again if an exception ends it."""
        self.use.state = "running"
        try:
            yield
            self.use.state = "done"
        finally:
            if self.use.state != "done":
                self.use.state = "ended by an exception"

    def rows(self) -> Iterator[Row]:
        """The rows that come in, streamed.

        Raises:
            InputError: the source is missing or broken.
        """
        if self.use.state == "untouched":
            self.use.state = "read"
        cursor = self.cursor()
        while rows := cursor.take(1024):
            for _, row in rows:
                yield row

    def read(self, output_type: Literal["dataframe", "dict"] = "dataframe") -> Any:
        """All rows at once, for an operator written by hand.

        Args:
            output_type: "dataframe" for a pandas DataFrame, "dict" for a list of dicts.
        """
        rows = list(self.rows())
        if output_type == "dict":
            return rows
        if output_type == "dataframe":
            return frame_of(rows)
        raise ConfigError(f'read() takes "dataframe" or "dict", not {output_type!r}')

    def write(self, data: "pandas.DataFrame | Iterable[Row]") -> str:
        """Write all rows of this step and complete it; returns the path of the file."""
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
        """A picture's path below the cache path as that was given: the same wherever a relative cache was moved to.

        Args:
            path: absolute; one that lies elsewhere is returned as it is.
        """
        root = f"{self.root.expanduser().absolute()}{os.sep}"
        if not path.startswith(root):
            return path
        return f"{os.path.normpath(self.root)}{os.sep}{path.removeprefix(root)}"

    def side(self, name: str) -> Path:
        """The file of the side output of this name."""
        return self._file(self.number, f"{name}.jsonl")

    def writer(self, sides: Sequence[str] = ()) -> StepWriter:
        """The step's files in the making; a context manager.

        Args:
            sides: names of side outputs.

        Raises:
            ConfigError: a side output cannot have this name.
        """
        files = self.target, self.meta, self.root, cache(self.side), sides
        if self.options.shard is None:
            return StepWriter(*files)
        before = self.source if self.number > 1 else None
        return ShardWriter(*files, cache_path=Path(self.cache_path).expanduser(), before=before)

    def path_rules(self) -> PathRules:
        """Where pictures named in the source's rows may lie."""
        here, cache = Path.cwd(), self.root.expanduser().absolute()
        first = Path(self.first_entry_file_name).expanduser().absolute().parent
        runs_too = self.block is not None and self.block.holds(self.number - 1)  # what is recorded is of a run before
        recorded = self._file(self.number - 1, "meta.json") if self.number > 1 and not runs_too else None
        meta = orjson.loads(recorded.read_bytes()) if recorded is not None and recorded.exists() else {}
        cwd, old = meta.get("cwd"), meta.get("cache_path")
        return PathRules(
            here,
            folders=tuple(dict.fromkeys((self.source.absolute().parent, first))),
            recorded_cwd=Path(cwd) if cwd and Path(cwd) != here else None,
            moved=moved_along(Path(old), cache) if old and Path(old) != cache else _moved_rows(self.source.absolute()),
        )


def _moved_rows(rows: Path) -> tuple[Path, Path] | None:
    """Where the pictures of an import lay, and where they lie now if they moved together with its rows."""
    old = read_figures(rows.with_name(f"{rows.stem}.meta.json")).get("store")
    if not isinstance(old, str) or Path(old).parent == rows.parent or Path(old).exists():
        return None
    return moved_along(Path(old), rows.parent / Path(old).name)


class FileStorage:
    """Counts the steps of a cache directory.

    Reading and writing are forwarded to the step last handed out. A step that an exception ended, or that was read and
    never written, is handed out again, so a notebook's cell may be run until it succeeds, and a look moves nothing.

    Args:
        first_entry_file_name: the rows of step 1: .jsonl, .json, .csv or .parquet; None where its operator
            makes its own.
        cache_path: folder of the step files, the journal and usually the pictures.
        file_name_prefix: what step files are called before `_step{n}`.
        cache_type: jsonl (streamed), json, csv or parquet.
        limit: number of rows of the first step that a preview takes; None: all. See `RunOptions` for the next four too.
        max_cost: the most that may be spent in the cache directory, in USD; None: the environment's `DF_MAX_COST`.
        at_limit: what a step does once `max_cost` leaves no room: "stop" or "finish".
        prices: a price file, or model → price; None: the shipped prices.
        dry_run: whether to ask nothing and only say what a run would send and cost.
        shard: such as "3/16", to take only a part of the rows, in a folder of its own below cache_path; see
            docs/clusters.md. None: the environment's `DF_SHARD`, else all rows.
        options: the same six as one value, and what every step is to ask again.

    Raises:
        ConfigError: an unknown cache_type; a limit below 1; no such shard, or one with a folder in its prefix; options
            beside one of the six.
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
        given = RunOptions(limit, max_cost, at_limit, prices, dry_run, shard=shard_wanted(shard) if shard else None)
        if options is not None and given != RunOptions():
            raise ConfigError("options= holds limit, max_cost, prices and the like: give FileStorage one or the other")
        options = options or given
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
        at = f", at step {self.operator_step}" if self.operator_step else ""
        return f"FileStorage({self.first_entry_file_name or None!r}, {self.cache_path!r}{at})"

    def step(self) -> Step:
        """The next step; the last one again if an exception ended it, or if it was read and never written.

        What this object did decides: a step that was never begun, or only by a dry run, is passed. Within
        `overlapped()` each call moves on.
        """
        if self.block is not None or not self._use.is_open:
            self.operator_step += 1
            self._use = Use()
        return self.current

    @contextmanager
    def overlapped(self) -> Iterator[None]:
        """Run the steps of this block at once: each begins with the first rows that the one before has written.

        What `run()` returns waits for its step when it is looked at, and so does an operator written by hand that reads
        its step. At the end all steps are complete, or the first error is raised and all have stopped; then the next
        `step()` is the first of the block again. A dry run counts the steps in turn. Within another such block the end
        waits for the steps so far.

        Raises:
            ConfigError: a column is neither in the first rows nor made by a step before; nothing was spent.
            DataflowError: as `run_step` says.
        """
        from dataflow.flow.overlap import Overlap  # the files' floor knows nothing of runs

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
        """Begin at step 1 again."""
        self.operator_step = 0
        self._use = Use()
        return self

    @property
    def current(self) -> Step:
        """The step last handed out.

        Raises:
            ConfigError: `step()` was never called.
        """
        if not self.operator_step:
            raise ConfigError("call storage.step() before reading or writing: it moves on to the next step")
        return Step(self, self.operator_step, self._use)

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the cache directory is, and the first rows of the step last handed out."""
        from dataflow.view.html import storage_html  # a notebook alone needs pictures

        return storage_html(self.cache_path, self.current if self.operator_step else None)

    def show(self, count: int = 12) -> "Grid":
        """Rows that the step last handed out wrote, as cards in a notebook: those without an accepted result first.

        Waits for the step where it runs beside others.

        Args:
            count: cards at most.

        Raises:
            ConfigError: `step()` was never called.
        """
        from dataflow.view.grid import grid_of  # a notebook alone needs pictures

        if self.block is not None:
            self.block.await_step(self.operator_step)
        return grid_of(self.current, count)

    def rows(self) -> Iterator[Row]:
        """`rows` of the current step."""
        return self.current.rows()

    def read(self, output_type: Literal["dataframe", "dict"] = "dataframe") -> Any:
        """`read` of the current step."""
        return self.current.read(output_type)

    def write(self, data: "pandas.DataFrame | Iterable[Row]") -> str:
        """`write` of the current step."""
        return self.current.write(data)
