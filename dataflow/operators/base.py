"""The base classes of operators.

`GeneratorOperator` has one generator for each row. Each `yield` of the generator hands over a wave of requests and
receives the answers to this wave. The generator must not read a clock, a source of chance or a file: a resumed run
starts the same generator again and sends it the journalled answers, so the generator must ask the same requests.
Most operators ask one wave only. `OneWaveOperator` builds the generator from two methods, `plan` and `merge`.
`FilterOperator` builds it from `question` and `keep`, for operators that keep or drop rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from dataflow.core.arguments import checked
from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.source import Source
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, RowError
from dataflow.flow.recipe import Expects, Recipe, Steps
from dataflow.flow.runner import run_step
from dataflow.flow.summary import DROPPED, Summary
from dataflow.judging.judge import Judge
from dataflow.utils.storage import FileStorage, Step

_NO_WORKERS: Mapping[str, Worker] = MappingProxyType({})
_BOOLEANS = ("bool", "bool_")  # Python's and numpy's


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that one run reads and writes.

    The columns are an argument of each method and no attribute of the operator, since one operator object may run
    several steps at once, each with columns of its own.

    Args:
        inputs: columns that every row needs, in an order that the operator chooses.
        optional: columns that hold paths of pictures and that a row may leave empty, in an order that the operator
            chooses.
        outputs: columns that the operator makes. A row with a value in the first of them counts as done and stays as
            it is. Empty for a filter.
        name_of: maps the path of a picture to a name that stays the same when the cache directory is moved
            (`Step.name_of`). An operator needs it if its requests depend on a picture's name.
        labels: columns with one word or value about the row, such as its operation; every row may lack them.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    name_of: Callable[[str], str] = str
    optional: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The first output column; most operators have no other."""
        return self.outputs[0]


class OperatorABC(ABC):
    """An operator: it reads the rows of one step and writes the rows of the next.

    A class that derives from `OperatorABC` directly defines `run(self, storage, ...)`, which calls
    `storage.read("dataframe")` and `storage.write(...)`. Such an operator works in one pipeline with all other
    operators of this package.

    Attributes:
        description: what the operator does, in one English sentence.
        description_zh: what the operator does, in one Chinese sentence.
    """

    description = ""
    description_zh = ""

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work of the step. The first argument is the storage, or one step of it."""

    @classmethod
    def get_desc(cls, lang: str = "en") -> str:
        """Return one sentence that says what the operator does; `lang` is "en" or "zh"."""
        return cls.description_zh if lang == "zh" else cls.description


class GeneratorOperator(OperatorABC):
    """An operator with one generator for each row; its method `run` names the columns and calls `execute`.

    Args:
        workers: one worker, which requests know as "worker", or a mapping from the name that requests use to the
            worker. None: the operator asks nothing.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Attributes:
        sides: names of the side outputs. The side output `name` is the file `{prefix}_step{n}.{name}.jsonl` beside the
            file of the step.
        adds: names of columns that the rows get in addition to the output columns, so that a later step may read them.
        twins: True: two rows with equal requests get one answer each, as for drawings. False: equal requests are sent
            and paid for once, as for measurements and verdicts.
        reads_failures: matters for an operator without an output column. False: a row whose last answers are failures
            is a failed row, whatever the generator returned. True: the generator looks at every failure itself, and
            its return value counts.
        judge: the judge of this operator, or None. Its canaries are asked before the first row.
    """

    sides: Sequence[str] = ()
    adds: Sequence[str] = ()
    twins: bool = True
    reads_failures: bool = False
    judge: Judge | None = None
    workers: Mapping[str, Worker] = _NO_WORKERS
    save_interval: int = 64

    def __init_subclass__(cls) -> None:
        """Have each operator of this package check the types of its arguments, by `dataflow.core.arguments.checked`."""
        super().__init_subclass__()
        if cls.__module__.startswith("dataflow."):
            for name in {"__init__", "run"} & vars(cls).keys():
                setattr(cls, name, checked(vars(cls)[name]))

    @checked
    def __init__(self, workers: Worker | Mapping[str, Worker] | None = None, *, save_interval: int = 64) -> None:
        if save_interval < 1:
            raise ConfigError(f"save_interval is {save_interval}: give a number of answers from 1")
        self.workers = {"worker": workers} if isinstance(workers, Worker) else workers or _NO_WORKERS
        self.save_interval = save_interval

    @abstractmethod
    def steps(self, row: Row, columns: Columns) -> Steps:
        """Make the generator of one row: it yields requests, receives their answers and returns the rows that come out.

        The generator may return any number of rows. A returned `Side(name, row)` goes to the side output of this name.
        A returned `RowError` makes the row a failed row, as a raised one does, but the side outputs are still written.

        Args:
            row: the row as it came in.
            columns: the columns of this run.

        Raises:
            RowError: this row cannot be asked about. The row stays in the step's file with an empty output; a filter
                leaves it out.
        """

    def before(self) -> Steps | None:
        """Make a generator of requests that are asked before those of any row, or None; its errors end the run.

        By default the generator asks the canaries of the operator's judge.
        """
        return None if self.judge is None else self.judge.prove()

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Return how many requests one row needs: name of the worker → (usual number, greatest number).

        Only a dry run calls this method. A dry run sees the first wave of each row itself. It needs this method for
        the waves that depend on answers, and for a row whose columns an earlier step has not made yet: `row` then
        lacks these columns. For a worker that the mapping does not name, the dry run counts the first wave alone, or
        one request if the first wave cannot be made yet.
        """
        return {}

    def execute(
        self,
        storage: FileStorage | Step,
        *,
        inputs: Sequence[str] = (),
        optional: Sequence[str] = (),
        masked: Sequence[str] = (),
        outputs: Sequence[str] = (),
        labels: Sequence[str] = (),
        overwrite: bool = False,
        retry_rejected: bool = False,
        source: Source | None = None,
    ) -> Summary:
        """Run this operator over all rows of a step. Each argument that takes names also takes a single name.

        Args:
            storage: the step, from `storage.step()`.
            inputs: names of the columns that every row needs.
            optional: names of the columns of pictures that a row may leave empty.
            masked: names of the workers whose requests may have a mask. If one of these workers takes no masks, the
                step stops before its first request.
            outputs: names of the columns that the operator makes.
            labels: names of columns that all rows may lack, such as that of the operation.
            overwrite: also ask for rows whose first output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.
            source: makes the rows, for a first step without an input file. None: the rows come from the input file.

        Returns:
            The counts of this run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong; nothing was spent.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        step = storage.current if isinstance(storage, FileStorage) else storage
        columns = Columns(_names(inputs), _names(outputs), step.name_of, _names(optional), _names(labels))
        recipe = Recipe(
            name=type(self).__name__,
            steps=partial(self.steps, columns=columns),
            workers=self.workers,
            inputs=columns.inputs,
            optional=columns.optional,
            masked=_names(masked),
            output=columns.output if columns.outputs and source is None else None,
            also=columns.outputs[1:],
            makes=(*columns.outputs, *_names(self.adds)),
            sides=_names(self.sides),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
            save_interval=self.save_interval,
            source=source,
            twins=self.twins,
            reads_failures=self.reads_failures,
            before=self.before,
            expects=partial(self.expects, columns=columns),
            judged={} if self.judge is None else self.judge.as_figures,
        )
        return run_step(recipe, step)


class OneWaveOperator(GeneratorOperator):
    """An operator that asks one wave of requests for each row; one failed request makes the row a failed row."""

    @abstractmethod
    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """Return the requests for one row.

        Raises:
            RowError: this row cannot be asked about.
        """

    @abstractmethod
    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
        """Return the rows that come out.

        Args:
            row: the row as it came in.
            answers: one answer without a failure for each request of `plan`, in the same order.
            columns: the columns of this run.
        """

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask the requests of `plan` and return the rows of `merge`."""
        answers = yield self.plan(row, columns)
        for answer in answers:
            answer.raise_for_error()
        return self.merge(row, answers, columns)


class FilterOperator(GeneratorOperator):
    """An operator that keeps or drops each row and makes no column.

    A row passes only if `keep` decided so. A row whose request failed goes to the errors file, and the next run asks
    about it again. A dropped row goes to the file `{prefix}_step{n}.dropped.jsonl`, with the reason in the column
    `reason`, or in `dropped_reason` if the row has a column `reason` of its own.

    Attributes:
        inputs: names of the columns that every row needs; a row that lacks one is a failed row.
    """

    inputs: Sequence[str] = ()
    sides = (DROPPED,)

    def question(self, row: Row) -> Request | Sequence[Request] | None:
        """Return the request, or requests, about one row; None: the row needs no request.

        Raises:
            RowError: this row cannot be asked about; the row goes to the errors file.
        """
        return None

    @abstractmethod
    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool | tuple[bool, str]:
        """Return whether the row is kept: True or False, or (False, the reason why the row is dropped).

        Args:
            row: the row as it came in.
            answers: one answer without a failure for each request of `question`; None if nothing was asked.

        Raises:
            RowError: no decision is possible; the row goes to the errors file.
        """

    def run(self, storage: FileStorage | Step, *, retry_rejected: bool = False) -> Summary:
        """Keep or drop every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong; nothing was spent.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        return self.execute(storage, inputs=self.inputs, retry_rejected=retry_rejected)

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask the requests of `question` and decide by `keep`."""
        question, answers = self.question(row), None
        if question is not None:
            answers = yield [question] if isinstance(question, Request) else question
            for answer in answers:
                answer.raise_for_error()
        verdict = self.keep(row, answers)
        kept, reason = verdict if isinstance(verdict, tuple) and len(verdict) == 2 else (verdict, "")
        if type(kept).__name__ not in _BOOLEANS:  # a text such as "no" would let the row pass
            raise RowError(
                f"{type(self).__name__}.keep must return True, False or (False, reason), not {verdict!r:.80}"
            )
        if kept:
            return [row]
        return [dropped(row, reason)]


def dropped(row: Row, reason: str) -> Side:
    """Make the side output of a row that a filter drops; the reason never replaces a column of the row itself."""
    return Side(DROPPED, {**row, "reason" if "reason" not in row else "dropped_reason": reason})


def _names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple; a text is one name."""
    return (names,) if isinstance(names, str) else tuple(names)
