"""What an operator is: a generator per row, a plan and a merge, a filter, or a `run` written by hand.

`GeneratorOperator` asks in waves: each `yield` hands over requests and is sent their answers. It reads
no clock, no chance and no file, since a resumed run is the same generator run again over the journal.
Nearly every operator asks once; `OneWaveOperator` makes the generator out of two methods, and so does `FilterOperator`
where rows are kept or dropped.
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
    """The fields of a row that one run reads and writes; one operator object may run several steps at once.

    Args:
        inputs: those that every row needs, in the operator's own order.
        optional: those that name pictures and that a row may leave empty, in the operator's own order.
        outputs: those that the operator makes; a row that has a value in the first is made. Empty for a filter.
        name_of: as `Step.name_of`, for an operator whose requests depend on a picture's name.
        labels: those that say in a word what a row is, and that all rows may lack.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    name_of: Callable[[str], str] = str
    optional: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The first that the operator makes, most often the only one."""
        return self.outputs[0]


class OperatorABC(ABC):
    """Anything that reads a step and writes it.

    An operator written by hand defines `run(self, storage, ...)`, which calls `storage.read("dataframe")` and
    `storage.write(...)`; it mixes freely with the operators here.

    Attributes:
        description: what the operator does, in one English sentence.
        description_zh: the same in Chinese.
    """

    description = ""
    description_zh = ""

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the step's work; the first argument is the storage or a step of it."""

    @classmethod
    def get_desc(cls, lang: str = "en") -> str:
        """What the operator does, in one sentence; `lang` is "en" or "zh"."""
        return cls.description_zh if lang == "zh" else cls.description


class GeneratorOperator(OperatorABC):
    """An operator that asks in waves; its `run` names the columns and calls `execute`.

    Args:
        workers: what answers: one serving, or several by the names that requests use; None where nothing is asked.
        save_interval: answers after which the journal reaches the disk at the latest.

    Attributes:
        sides: names of its side outputs. Each is a file `{prefix}_step{n}.{name}.jsonl` beside the step's own.
        adds: names of columns that its rows have beside `outputs`: a later step may need one.
        twins: whether rows that ask the same get an answer each, as drawings should. An operator that measures sets it
            to False: equal questions are asked, and paid, once.
        reads_failures: where no output column is made, a row of which the last answers are failures fails with them,
            whatever was concluded. An operator that looks at every failure itself sets it to True.
        judge: who judges, where somebody does; it is asked about its canaries before any row asks.
    """

    sides: Sequence[str] = ()
    adds: Sequence[str] = ()
    twins: bool = True
    reads_failures: bool = False
    judge: Judge | None = None
    workers: Mapping[str, Worker] = _NO_WORKERS
    save_interval: int = 64

    def __init_subclass__(cls) -> None:
        """Every operator of this package holds what it is given against its annotations, as `checked` says."""
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
        """Yields requests, is sent their answers, returns the rows that come out: none, one or several.

        Among them `Side(name, row)` goes to the side output of that name. A `RowError` among them fails the row as one
        that is raised does, and its side outputs are written.

        Raises:
            RowError: this row cannot be asked; it keeps its place, with an empty output. Out of a filter it does
                not come.
        """

    def before(self) -> Steps | None:
        """What is asked once before any row asks; what it raises ends the run. Where somebody judges: canaries."""
        return None if self.judge is None else self.judge.prove()

    def expects(self, row: Row, columns: Columns) -> Expects:
        """How many requests a row takes in all, by worker: usually and at most. Only a dry run asks.

        It knows what a row asks first. Say here what comes after an answer, and how many requests there are for a row
        of which columns are not made yet: these are missing in `row`. For a worker that is not named, the dry run
        counts the first requests alone, and one request for a row that cannot be planned yet.
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
        """Run this operator over a step.

        Args:
            storage: `storage.step()`.
            inputs: name of the column that every row needs, or names.
            optional: name of the column of pictures that a row may leave empty, or names.
            masked: name of the worker whose requests may have a mask, or names: the step stops before its first
                request if one takes none.
            outputs: name of the column that the operator makes, or names.
            labels: name of the column that says what a row is, or names; all rows may lack it.
            overwrite: ask although the first output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.
            source: where the rows come from, for a first step without an input file.
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
    """An operator that asks once per row; one failed request fails the row whole."""

    @abstractmethod
    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """What to ask for this row.

        Raises:
            RowError: this row cannot be asked.
        """

    @abstractmethod
    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
        """The rows that come out, given one good answer per request, in order."""

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Plan, ask, merge."""
        answers = yield self.plan(row, columns)
        for answer in answers:
            answer.raise_for_error()
        return self.merge(row, answers, columns)


class FilterOperator(GeneratorOperator):
    """Keeps or drops each row, and makes no column.

    Only a row that `keep` decided on goes on. One whose answer failed goes to the errors file, and the next run asks it
    again. A dropped row goes with its `reason` (`dropped_reason`, if it has a field `reason`) to
    `{prefix}_step{n}.dropped.jsonl`.

    Attributes:
        inputs: names of the columns that every row needs; a row that lacks one is a failed row.
    """

    inputs: Sequence[str] = ()
    sides = (DROPPED,)

    def question(self, row: Row) -> Request | Sequence[Request] | None:
        """What to ask about this row; None: nothing.

        Raises:
            RowError: this row cannot be asked about; it goes to the errors file.
        """
        return None

    @abstractmethod
    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool | tuple[bool, str]:
        """Whether the row goes on, alone or with the reason for which it is dropped if it does not.

        Args:
            row: as it came in.
            answers: good ones, one for each request; None where nothing was asked.

        Raises:
            RowError: no decision is possible; the row goes to the errors file.
        """

    def run(self, storage: FileStorage | Step, *, retry_rejected: bool = False) -> Summary:
        """Keep or drop every row of the step.

        Args:
            storage: `storage.step()`.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(storage, inputs=self.inputs, retry_rejected=retry_rejected)

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask, decide."""
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
    """A row that a filter does not keep, with the reason: a row's own fields are never written over."""
    return Side(DROPPED, {**row, "reason" if "reason" not in row else "dropped_reason": reason})


def _names(names: Sequence[str]) -> tuple[str, ...]:
    """Names, where one alone may be given as it is."""
    return (names,) if isinstance(names, str) else tuple(names)
