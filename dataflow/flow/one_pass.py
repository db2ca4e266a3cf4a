"""One pass over a step's source with two cursors.

The planner begins rows and asks what the journal does not know, while at most `lookahead` rows are unanswered. The
writer follows in input order: what the planner finished in order is written at once, the rest is replayed from the
journal when its turn comes, so memory does not grow with the rows that wait behind a slow one.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from dataflow.core.key_table import KeyTable
from dataflow.core.records import JSON, Answer, Job, Row
from dataflow.core.source import SourceCursor
from dataflow.errors import Interrupted, NotStored, StepFailed
from dataflow.flow.accepted import count_accepted
from dataflow.flow.counts import Counts
from dataflow.flow.disk_room import Space
from dataflow.flow.following import Beside, FollowingCursor
from dataflow.flow.held_back import note_wait
from dataflow.flow.preflight import changed
from dataflow.flow.progress import Progress
from dataflow.flow.questions import Questions
from dataflow.flow.recipe import Recipe
from dataflow.flow.replay import Replay
from dataflow.flow.side_outputs import write_sides
from dataflow.flow.signals import Signals
from dataflow.flow.sink import StepSink
from dataflow.flow.status_file import StatusFile
from dataflow.flow.stopping import Stopping
from dataflow.flow.summary import describe_failure
from dataflow.flow.twins import Twins
from dataflow.flow.walk import BEFORE, Walk
from dataflow.journal.journal import Journal
from dataflow.money.ledger import Ledger
from dataflow.pools.executor import LocalExecutor
from dataflow.utils.rowfiles import RowCursor
from dataflow.utils.step_writer import StepWriter
from dataflow.utils.storage import Step

_CHUNK = 256  # rows begun or written between two looks at what has come in


class Pass:
    """One pass of one step. Its methods run in the caller's thread."""

    def __init__(
        self,
        recipe: Recipe,
        step: Step,
        journal: Journal,
        writer: StepWriter,
        counts: Counts,
        ledger: Ledger,
        executor: LocalExecutor,
        lookahead: int,
        signals: Signals,
        beside: Beside,
    ) -> None:
        self._replay = Replay(recipe, step, journal, counts, ledger)
        self._recipe = recipe
        self._step = step
        self._writer = writer
        self._counts = counts
        self._ledger = ledger
        self._lookahead = max([lookahead, *(worker.limits.lookahead for worker in recipe.workers.values())])
        space = Space(journal, [worker.save_path for worker in recipe.workers.values()])
        self._sink = StepSink(journal, counts, space, ledger, at_limit=step.options.at_limit)
        self._replay.left_out, self._replay.has_failed = self._sink.left_out, self._sink.has_failed
        self._before = self._replay.begin_before()
        self._held_back: list[Walk] = []  # rows that wait for it
        self._beside = beside
        if beside.follows is not None:
            beside.follows.follow(self._sink.arrived.wake)
        self._source, self._behind = self._cursor(), self._cursor()
        self._shown = 0  # of the source rows written, those that the step behind may read
        self._planned_all = False
        self._planned = 0  # source rows begun
        self._written = 0  # source rows written
        self._pending: dict[int, Walk] = {}
        self._counting = Twins(apart=recipe.twins)
        self._paid = KeyTable()  # ids of answers that cost something, of rows that a source settled
        self._twins: dict[int, int] = {}  # of rows begun and not yet written, where not 0
        self._questions = Questions(recipe, executor, self._sink, self._replay.ids)
        self._signals = signals
        self._stopping = Stopping(self._sink, counts, self._questions.pools, signals)

    def _cursor(self) -> RowCursor | SourceCursor | FollowingCursor:
        source = self._recipe.source
        if self._beside.follows is not None:
            return FollowingCursor(self._beside.follows)
        return self._step.cursor(self._recipe.split_by) if source is None else SourceCursor(source)

    @property
    def fingerprints(self) -> Mapping[str, Sequence[Mapping[str, JSON]]]:
        """Those in the ids of the answers, by worker."""
        return {name: self._replay.ids.fingerprints(name) for name in self._recipe.workers}

    @property
    def every_row_failed(self) -> bool:
        """Whether rows came in and none of them has a result."""
        if self._recipe.source is not None:
            return self._counts.failed > 0 and not self._counts.rows and not self._counts.sides.total()
        if self._step.options.shard is not None:  # of a few rows; `dataflowmm merge` looks at those of all shards
            return False
        return 0 < self._written == self._counts.failed

    def to_the_end(self, progress: Progress, status: StatusFile) -> None:
        """Plan, ask and write until every row is written.

        Raises:
            FatalAnswer, NotStored, Interrupted: as `run_step` says.
        """

        def show() -> None:
            progress.tick()
            if status.is_due:
                status.write()

        self._writer.follow(self._source)
        try:
            while not (self._planned_all and self._written == self._source.position):
                moved = self._plan() + self._write_behind()
                self._take_answers(wait=not moved and (bool(self._pending) or not self._planned_all))
                self._count()
                if status.is_due:  # the rows that failed are shown first, for they say why
                    self._writer.flush()
                self._show_rows()
                show()
                if self._sink.stopped:
                    break
        except Interrupted:  # what is in flight is waited for first
            pass
        except NotStored as error:  # a row: answers in flight are to be kept all the same
            self._sink.stop(error)
        finally:
            late = self._stopping.drain(show)
            self._ledger.close()
        try:
            self._go_on(late)  # rows that these complete are done; the next run reads them from the journal
            self._count()
        finally:
            self._stopping.raise_reason()

    def _count(self) -> None:
        """Bring the counts up to date that nothing else does."""
        counts, source, follows, rows = self._counts, self._recipe.source, self._beside.follows, self._beside.rows
        waiting = len(self._pending) - (BEFORE in self._pending)
        counts.reached(self._planned - waiting - counts.again, asks=waiting > 0)
        if source is not None:
            counts.rows_in, counts.note = source.expected - counts.again, source.note
        counts.pause, counts.limit = self._questions.pause, self._questions.limit
        if follows is not None:
            counts.rows_in = max(self._source.position, follows.expected)
            if not (counts.pause or self._pending or follows.is_complete):
                counts.pause = f"waits for rows of step {self._step.number - 1}"
        rows.expected = counts.rows + max(0, counts.rows_in + counts.again - self._written)

    def _show_rows(self) -> None:
        """Let the step behind read what is written."""
        if self._beside.rows.is_followed and self._shown < self._written:
            self._writer.flush()
            self._shown = self._written
            self._beside.rows.tell()

    def _hold_back(self, walks: list[Walk], before: Walk) -> list[Walk]:
        """What asks in place of these rows, the first that ask."""
        self._before, self._held_back = None, walks
        self._replay.advance([before], Twins().earlier, ask=True)
        self._pending[BEFORE] = before
        self._settle(before)
        return [before] if before.missing else []

    def _settle(self, walk: Walk) -> None:
        """Strike off a walk that is at its end; after what asks before the rows, let them ask.

        Raises:
            StepFailed: what asks before the rows failed.
        """
        if walk.index == BEFORE and walk.error is not None:
            raise StepFailed(f"{self._recipe.name} could not begin: {walk.error}")
        if walk.rows is not None:
            del self._pending[walk.index]
            if walk.index == BEFORE:
                self._ask(self._held_back)

    def _plan(self) -> int:
        """Begin the next rows; returns how many."""
        room = min(_CHUNK, self._lookahead - len(self._pending))
        if self._planned_all or room <= 0 or BEFORE in self._pending:
            return 0
        index = self._source.position
        rows = self._source.take(room)
        if not rows:
            self._planned_all = not self._source.grows
            return 0
        if self._beside.follows is not None:  # of a file they were counted before
            self._counts.kept += sum(self._recipe.keeps(row) for _, row in rows)
        walks = self._begin(rows, index, planned=False)
        self._replay.advance(walks, self._counting.earlier, ask=True)
        for walk in walks:
            if walk.twin:
                self._twins[walk.index] = walk.twin
            if walk.rows is None:
                self._pending[walk.index] = walk
            elif walk.index == self._written:
                self._write(walk)
        self._planned += len(walks)
        asking = [walk for walk in walks if walk.missing]
        if asking and self._before is not None:
            asking = self._hold_back(asking, self._before)
        self._ask(asking)
        return len(walks)

    def _begin(self, rows: Sequence[tuple[int, Row]], first: int, *, planned: bool) -> list[Walk]:
        """Begin rows, of which `first` is the index of the first.

        Raises:
            Interrupted: a signal came; to read the pictures of all of them may take many seconds.
        """
        walks = []
        with self._replay.ahead_of([row for _, row in rows]):
            for index, (line, row) in enumerate(rows, first):
                self._signals.check()
                walks.append(self._replay.begin(index, line, row, planned=planned))
        return walks

    def _ask(self, walks: Sequence[Walk]) -> None:
        if walks and not self._questions.pools:  # a judge without a key must not show only after the first edits
            self._signals.elsewhere(self._questions.open_pools)
            self._beside.opened()
            self._signals.check()
            self._replay.advance(self._replay.rename([*self._pending.values()]), self._counting.earlier, ask=True)
            for walk in [*self._pending.values()]:
                self._settle(walk)
        new = [job for walk in walks for job in self._questions.wait(walk)]
        self._questions.submit(new, begun=self._beside.finishes)

    def _take_answers(self, *, wait: bool) -> None:
        """Go on with the rows whose answers have come in."""
        if wait:
            began = time.monotonic()
            self._sink.arrived.wait(0.2)
            pools, seconds = self._questions.pools.values(), time.monotonic() - began
            note_wait(self._recipe.source, pools, self._counts, seconds)
        self._questions.submit(self._go_on(self._sink.arrived.take()), begun=True)

    def _go_on(self, arrived: Iterable[tuple[str, Answer]]) -> list[Job]:
        """Go on with the rows of these answers, and those that arrive meanwhile; what is to be asked then."""
        new: list[Job] = []
        for request_id, answer in arrived:
            for walk in self._questions.arrived(request_id):
                if self._answered(walk, request_id, answer):
                    new += self._questions.wait(walk)
        return new

    def _answered(self, walk: Walk, request_id: str, answer: Answer) -> bool:
        """One answer of a walk; whether the walk has something new to ask."""
        if answer.error is not None and answer.error.kind == "fatal":  # the run ends with it, and its row stays open
            return False
        walk.known[request_id] = answer
        walk.missing.discard(request_id)
        if walk.missing:
            return False
        self._replay.feed(walk)
        if walk.wave:
            self._replay.advance([walk], self._counting.earlier, ask=True)
        self._counts.rows_answered += walk.rows is not None and walk.index != BEFORE
        self._settle(walk)
        return bool(walk.missing)

    def _write_behind(self) -> int:
        """Replay and write rows whose turn has come; returns how many."""
        first_open = next(iter(self._pending), self._source.position)
        count = min(_CHUNK, first_open - self._written)
        if count <= 0:
            return 0
        self._behind.skip_to(self._written)
        rows = self._behind.take(count)
        if len(rows) < count:
            raise changed(str(self._step.source))
        walks = self._begin(rows, self._written, planned=True)
        for walk in walks:
            walk.twin = self._twins.get(walk.index, 0)
        self._replay.advance(walks, self._counting.earlier, ask=False)
        for walk in walks:
            if walk.rows is None:
                raise changed(f"{self._step.source}:{walk.line}: the row or one of its pictures")
            self._write(walk)
        return len(walks)

    def _write(self, walk: Walk) -> None:
        assert walk.rows is not None
        if self._recipe.source is not None:
            walk.settle(self._recipe.source, self._paid)
            self._counts.again += not (walk.rows or walk.error or walk.sides)
            self._planned_all = False  # the source may have grown
        self._writer.begin_row(walk.index)
        for row in walk.rows:
            self._writer.write(row)
        self._counts.sides.update(write_sides(walk.sides, self._writer))
        self._written += 1
        self._twins.pop(walk.index, None)
        self._counts.rows += len(walk.rows)
        if walk.error is None:
            self._counts.answered_by.used(walk.answered_by)
            self._counts.accept(count_accepted(self._recipe, walk), are_new=walk.has_news)
        else:
            self._counts.fail(str(walk.error))
            file = self._step.source if self._recipe.source is None else None
            self._writer.side("errors", describe_failure(file, walk, self._recipe.inputs))
