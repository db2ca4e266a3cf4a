"""The contract of a source: rows that a step makes itself, from their index, where there is no input file.

A source is told in input order what became of each row, and may add rows at its end. So a row that must be made again
goes to the end and holds up no other row. A source makes each row from its index and from the outcomes of earlier rows
alone, in this order, so that a resumed run makes the same rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import JSON, Row, Side
from dataflow.errors import Failure, RowError


@dataclass(frozen=True, slots=True)
class Ended:
    """How a row ended, as its source is told.

    Args:
        rows: the rows that its generator returned; none if the row failed.
        sides: the side outputs that the generator returned.
        error: why the row failed; None if it did not.
        cost: of the row's answers, without those that an earlier row got too, in billionths of the currency. The
            journal has it, so it is the same in every run. None: not known.
    """

    rows: Sequence[Row] = ()
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None
    cost: int | None = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What a source decides to write for a row that has ended.

    Args:
        rows: written to the step's file; none if the row will be made again, or was given up.
        sides: written to side outputs.
        error: why the row was given up: it counts as failed and gets a line in the errors file. None: it was not.
    """

    rows: Sequence[Row] = ()
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None


class Source(ABC):
    """Rows by their index. One run uses it; a resumed run makes a new source.

    Attributes:
        reads_step: whether it makes its rows of the rows that come into the step; else no row may come in.
    """

    reads_step = False

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are so far; the number never falls."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """The row of this index, from 0; equal at every call."""

    @abstractmethod
    def settle(self, index: int, ended: Ended) -> Settled:
        """Decide what is written for a row that has ended; called once for each row, in the order of their indexes.

        Only this method may compare rows, and it may add rows to the source. It must decide by its arguments alone, so
        that a resumed run decides the same.

        Args:
            index: of the row, from 0.
            ended: how the row ended.
        """

    @property
    def expected(self) -> int:
        """How many rows the source will have in the end, as far as is known."""
        return len(self)

    @property
    def open_at_most(self) -> int:
        """How many rows may be open at once, while only this limit keeps the next row from being begun; else 0."""
        return 0

    @property
    def seconds(self) -> float:
        """How many seconds the rows that are not begun take, as far as a dry run can know; 0: not known."""
        return 0.0

    @property
    def short(self) -> int:
        """How many rows are wanted that the source will not have, such as of a quota that is not met."""
        return 0

    @property
    def note(self) -> str:
        """A few words on how far the source is, for the progress bar."""
        return ""

    def report(self) -> Mapping[str, JSON]:
        """Figures over all rows, which are kept in the step's meta file."""
        return {}

    def describe(self) -> Sequence[str]:
        """The same figures in words, which the summary shows as parts of a sentence."""
        return ()


class SourceCursor:
    """Reads a source as a `RowCursor` reads a file.

    Attributes:
        position: index, from 0, of the row that `take` returns next.
        grows: whether rows may be added by something else than the outcomes of the source's own rows; never.
    """

    grows = False

    def __init__(self, source: Source) -> None:
        self.position = 0
        self._source = source

    def skip_to(self, position: int) -> None:
        """Skip rows up to this index."""
        self.position = max(self.position, position)

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows, at most `count`, each with its number from 1."""
        end = min(len(self._source), self.position + count)
        rows = [(index + 1, self._source.row(index)) for index in range(self.position, end)]
        self.position = end
        return rows
