"""Rows that a step makes itself, from their index, where there is no input file.

A source learns in input order what became of each row, and may add rows at its end: so whatever must be
made again goes to the end of the line instead of holding up the rows behind it. Since a source learns of the rows in
order, and makes each row from its index and from the outcomes before it, a resumed run makes the same rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import JSON, Row, Side
from dataflow.errors import Failure, RowError


@dataclass(frozen=True, slots=True)
class Ended:
    """What a row's generator came to.

    Args:
        rows: that it returned; none where it failed.
        sides: that it returned beside them.
        error: why it failed.
        cost: of all its answers but those that an earlier row was given as well, in billionths of the currency, as the
            journal has it: the same in every run. None: not known.
    """

    rows: Sequence[Row] = ()
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None
    cost: int | None = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What a source makes of a row's outcome.

    Args:
        rows: what is written; none where the row will be made again, or was given up.
        sides: what is written to side outputs.
        error: why it was given up; it is counted as failed, with a line in the errors file.
    """

    rows: Sequence[Row] = ()
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None


class Source(ABC):
    """Rows by index; used by one run, which begins a new one to resume.

    Attributes:
        reads_step: it makes its rows of those that come in; else it needs a step into which none do.
    """

    reads_step = False

    @abstractmethod
    def __len__(self) -> int:
        """Rows so far; never fewer than before."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """The row number `index`, the same whenever it is asked for."""

    @abstractmethod
    def settle(self, index: int, ended: Ended) -> Settled:
        """Decide on what came of row `index`; called once for each, in order.

        This is the one place that may compare rows, and it may make the source longer. It decides by what it is told
        here alone, so that a resumed run decides the same.
        """

    @property
    def expected(self) -> int:
        """Rows that there will be in the end, as far as is known."""
        return len(self)

    @property
    def open_at_most(self) -> int:
        """Rows that may be open at once, while that alone keeps another one from being begun; 0: nothing does."""
        return 0

    @property
    def seconds(self) -> float:
        """How long the rest takes, as far as that is known before anything was asked; 0: it is not."""
        return 0.0

    @property
    def short(self) -> int:
        """Rows that are wanted, and that it does not come to."""
        return 0

    @property
    def note(self) -> str:
        """How far it is, in some words for a running step's bar."""
        return ""

    def report(self) -> Mapping[str, JSON]:
        """What is to be known of all rows; kept in the step's meta."""
        return {}

    def describe(self) -> Sequence[str]:
        """The same for people, part by part; the summary shows it."""
        return ()


class SourceCursor:
    """Reads a source as a `RowCursor` reads a file; what it has come to the end of may grow, by its own rows alone."""

    grows = False

    def __init__(self, source: Source) -> None:
        self.position = 0
        self._source = source

    def skip_to(self, position: int) -> None:
        """Pass over rows up to this index."""
        self.position = max(self.position, position)

    def take(self, count: int) -> list[tuple[int, Row]]:
        """The next rows, at most `count`, each with its number from 1."""
        end = min(len(self._source), self.position + count)
        rows = [(index + 1, self._source.row(index)) for index in range(self.position, end)]
        self.position = end
        return rows
