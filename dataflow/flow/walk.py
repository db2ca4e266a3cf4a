"""A row on its way through one pass: what it asks, what it knows, and at the end its rows or its error."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflow.core.key_table import KeyTable, key_of
from dataflow.core.records import Answer, Job, PictureFacts, Request, Row, Side
from dataflow.core.source import Ended, Source
from dataflow.errors import Failure, RowError
from dataflow.flow.answered_by import Who
from dataflow.flow.recipe import Steps

BEFORE = -1  # the index of what asks before any row does


@dataclass(slots=True, eq=False)
class Walk:
    """A row on its way: what it asks now, what it knows, and at the end its rows or its error."""

    index: int
    line: int
    row: Row
    planned: bool = False  # in this pass already: its pictures are to be those that it was planned with
    generator: Steps | None = None
    wave: Sequence[Request] = ()
    facts: Sequence[tuple[PictureFacts, ...]] = ()  # of the pictures of each request
    digests: Sequence[bytes] = ()
    twin: int | None = None
    jobs: Sequence[Job] = ()
    known: dict[str, Answer] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)  # pictures by the names that its row has for them → path
    pictures: set[str] = field(default_factory=set)  # paths of all that it was given
    answered_by: list[Who] = field(default_factory=list)  # who gave them, as far as replies say
    has_news: bool = False  # an answer of this run is among those that it was given
    rows: Sequence[Row] | None = None
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None
    cost: int | None = 0
    counted: dict[str, int] = field(default_factory=dict)  # ids of answers whose cost is in it → that cost

    def given(self, request_id: str) -> Answer:
        """An answer that is known; if it is given once more it costs nothing, since it was paid once."""
        answer = self.known[request_id]
        if request_id in self.counted:
            return replace(answer, cost=0)
        self.counted[request_id] = 0
        return answer

    def spend(self, job: Job, answer: Answer) -> None:
        """Add what an answer has cost."""
        self.counted[job.id] += answer.cost or 0
        self.cost = None if self.cost is None or answer.cost is None else self.cost + answer.cost

    def settle(self, source: Source, paid: KeyTable) -> None:
        """Have a source decide what becomes of a row that is at its end.

        Args:
            source: of the row.
            paid: ids of answers that earlier rows were given: rows that ask the same are given one, which one has paid.
        """
        shared = sum(cost for request_id, cost in self.counted.items() if cost and paid.put(key_of(request_id)) == 0)
        cost = None if self.cost is None else self.cost - shared
        settled = source.settle(self.index, Ended(self.rows or (), self.sides, self.error, cost))
        self.rows, self.sides, self.error = settled.rows, settled.sides, settled.error
