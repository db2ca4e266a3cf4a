"""What a step is made of: the generator of each row, who answers, and which columns it reads and makes."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.source import Source
from dataflow.core.worker import Worker
from dataflow.errors import RowError

Steps = Generator[Sequence[Request], Sequence[Answer], Sequence[Row | Side | RowError]]
Expects = Mapping[str, tuple[float, float]]
"""Requests that a row takes in all, by the name of their worker: usually, and at most."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `run_step` needs to know of an operator.

    Args:
        name: shown in the progress line.
        steps: makes a row's generator.
        workers: by the name that requests use.
        masked: names of those that are given masks: each must take them, before the first request.
        inputs: columns that every row needs.
        optional: columns that a row may leave empty, and that name pictures; not all rows may lack one.
        output: the column that comes out; None for a filter, which adds none: a row that failed does not come out.
        also: further columns that come out, which may name pictures; of a failed row they are as empty as `output`.
        makes: all columns that come out beside those that come in, as far as they are known before any row is.
        sides: names of the side outputs that a row may be returned for, as `Side(name, row)`.
        overwrite: ask although the output column has a value.
        retry_rejected: ask again what was refused for good in an earlier run.
        save_interval: answers after which the journal is flushed to the disk at the latest.
        source: where the rows come from, for a first step without an input file.
        twins: whether rows that ask the same get an answer each, as drawings should; one that measures asks once.
        reads_failures: what the generator returns counts though the last answers that it was sent are failures, which
            it has looked at; else the row of a step without an output column fails with them.
        before: made once, it asks before any row does, such as whether a judge sees what it is shown; what it raises
            ends the run. A resumed run reads its answers from the journal.
        expects: how many requests a row takes, for a dry run; see `GeneratorOperator.expects`.
        judged: how somebody judges, for the figures; empty where nobody does.
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
        """Columns that decide what a row asks, and so which shard it is of."""
        return (*self.inputs, *self.optional)

    def keeps(self, row: Row) -> bool:
        """Whether a row stays as it is, since its output column has a value already."""
        if self.overwrite or self.output is None or self.output in self.inputs:
            return False
        return not is_empty(row.get(self.output))


def is_empty(value: object) -> bool:
    """Not yet made, as the guide writes it: nothing, `[]` or `[""]`; or as pandas writes it, NaN."""
    if isinstance(value, list):
        return all(is_empty(item) for item in value)
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
