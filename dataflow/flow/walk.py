"""The state of one row on its way through a pass: its generator, its requests and answers, and what it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflow.core.key_table import KeyTable, key_of
from dataflow.core.records import Answer, Job, PictureFacts, Request, Row, Side
from dataflow.core.source import Ended, Source
from dataflow.errors import Failure, RowError
from dataflow.flow.answered_by import Who
from dataflow.flow.recipe import Steps

BEFORE = -1  # the index of the walk of `Recipe.before`, which belongs to no row


@dataclass(slots=True, eq=False)
class Walk:
    """A row on its way through a pass. It has ended when `rows` is no longer None.

    Attributes:
        index: the row's index in the source, from 0; `BEFORE` for the walk of `Recipe.before`.
        line: the row's line or record number in the source, from 1.
        row: the row as the source gives it.
        planned: whether the planner of this pass began the row before, so that its pictures must not have changed.
        generator: the row's generator; None for a row that is kept as it is.
        wave: the requests that the generator yielded last; empty once the row has ended.
        facts: for each request of the wave, the facts of its pictures in the order of `Request.all_files`.
        digests: for each request of the wave its digest under the fingerprint by which rows are planned.
        twin: how many earlier rows have the same first wave; None until they were counted.
        jobs: the requests of the wave with their ids.
        known: answers of the wave by the ids of their requests.
        missing: ids of the wave's requests that have no answer yet.
        named: name of a picture as the row gives it → absolute path, where the two differ.
        pictures: paths of all pictures that answers gave the row.
        answered_by: for each answer the worker and the model that replied, as far as replies say.
        has_new_answers: an answer of this run is among the row's.
        rows: the rows that come out; None until the row has ended.
        sides: what the row adds to side outputs.
        error: why the row has no result.
        cost: what its answers cost, in billionths of the currency; None: not known.
        counted: ids of the answers that `cost` counts → what it counts for each, in billionths.
    """

    index: int
    line: int
    row: Row
    planned: bool = False
    generator: Steps | None = None
    wave: Sequence[Request] = ()
    facts: Sequence[tuple[PictureFacts, ...]] = ()
    digests: Sequence[bytes] = ()
    twin: int | None = None
    jobs: Sequence[Job] = ()
    known: dict[str, Answer] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)
    answered_by: list[Who] = field(default_factory=list)
    has_new_answers: bool = False
    rows: Sequence[Row] | None = None
    sides: Sequence[Side] = ()
    error: RowError | Failure | None = None
    cost: int | None = 0
    counted: dict[str, int] = field(default_factory=dict)

    def take_answer(self, request_id: str) -> Answer:
        """The known answer to a request; without its cost if this row took it before, since it was paid once."""
        answer = self.known[request_id]
        if request_id in self.counted:
            return replace(answer, cost=0)
        self.counted[request_id] = 0
        return answer

    def spend(self, job: Job, answer: Answer) -> None:
        """Add the cost of an answer to the cost of the row."""
        self.counted[job.id] += answer.cost or 0
        self.cost = None if self.cost is None or answer.cost is None else self.cost + answer.cost

    def settle(self, source: Source, paid: KeyTable) -> None:
        """Let the source that made the row decide what becomes of it, now that the row has ended.

        Args:
            source: the source that made the row.
            paid: keys of the answers whose cost earlier rows have borne. Rows that ask the same share one answer, and
                the first of them bears its cost.
        """
        shared = sum(cost for request_id, cost in self.counted.items() if cost and paid.put(key_of(request_id)) == 0)
        cost = None if self.cost is None else self.cost - shared
        settled = source.settle(self.index, Ended(self.rows or (), self.sides, self.error, cost))
        self.rows, self.sides, self.error = settled.rows, settled.sides, settled.error
