"""What a step does: the generator of each row, the workers, and the columns that it reads and makes."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.source import Source
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, RowError

Steps = Generator[Sequence[Request], Sequence[Answer], Sequence[Row | Side | RowError]]
Expects = Mapping[str, tuple[float, float]]
"""Name of a worker → how many requests a row sends it in all, usually and at most."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `run_step` needs to know of an operator.

    Args:
        name: of the operator, as progress shows it.
        steps: makes the generator of a row.
        workers: name in requests → worker.
        inputs: columns that every row needs; a row without a value in one of them fails.
        output: the column that the step makes. None for a filter, which makes none: a row that failed is dropped.
        optional: columns that may be empty in a row, and that name pictures; at least one row must have each of them.
        masked: names of the workers whose requests have masks; that each of them takes masks is checked before the
            first request.
        also: further columns that the step makes and that may name pictures; in a failed row they are empty.
        makes: all columns that the step makes, as far as they are known before the first row.
        sides: names of the side outputs for which a generator may return `Side(name, row)`.
        overwrite: whether rows are asked although their output column has a value.
        retry_rejected: whether requests are sent again that were refused for good in an earlier run.
        save_interval: answers after which the journal is flushed to the disk at the latest.
        source: makes the rows, for a first step without an input file; None: the rows come from the step's source file.
        twins: whether each of several rows that ask the same gets an answer of its own, as for drawings; False for
            measurements, of which one answer serves all.
        reads_failures: whether the generator looks at failures itself, so that what it returns counts although its last
            answers are failures; else such a row of a filter fails.
        before: makes a generator that asks before any row does, such as whether a judge sees what it is shown, or None.
            An error that it raises ends the run. A resumed run finds its answers in the journal.
        expects: row → how many requests it sends, for a dry run; see `GeneratorOperator.expects`.
        judged: how the step judges, for the figures; empty if it does not judge.
    """

    name: str
    steps: Callable[[Row], Steps]
    workers: Mapping[str, Worker]
    inputs: tuple[str, ...]
    output: str | None
    optional: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    overwrite: bool = False
    retry_rejected: bool = False
    save_interval: int = 64
    source: Source | None = None
    twins: bool = True
    reads_failures: bool = False
    before: Callable[[], Steps | None] = lambda: None
    expects: Callable[[Row], Expects] = lambda row: {}
    judged: Row = field(default_factory=dict)

    @property
    def split_by(self) -> tuple[str, ...]:
        """The columns that a row's requests depend on, by which rows are divided among shards."""
        return (*self.inputs, *self.optional)

    def keeps(self, row: Row) -> bool:
        """Whether a row stays as it is because its output column has a value already."""
        if self.overwrite or self.output is None or self.output in self.inputs:
            return False
        return not is_empty(row.get(self.output))

    def worker_missing(self, worker: str) -> ConfigError:
        """Return the error for a request to a worker that the operator was not constructed with."""
        given = "serving" if worker == "worker" else f"{{{worker!r}: serving}}"
        mend = f"write {self.name}({given})"
        return ConfigError(f"{self.name} asks a worker named {worker!r}, which it was not given: {mend}")


def is_empty(value: object) -> bool:
    """Whether a column has no value yet: None, an empty text, `[]` or `[""]` as in the guide, or NaN as in pandas."""
    if isinstance(value, list):
        return all(is_empty(item) for item in value)
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
