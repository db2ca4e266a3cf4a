"""One pass over a step's source with two cursors, a planner and a writer.

The planner begins rows and asks what the journal has no answer to, while at most `lookahead` rows are unanswered. The
writer follows in input order. A row that ends when all rows before it are written is written at once. Every other row
is forgotten once its answers are journalled, and the writer replays it when its turn comes: so memory grows with the
rows that wait for answers, and not with those that are done and stand behind a slow one.
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
from dataflow.flow.following import FollowingCursor, Links
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

_CHUNK = 256  # rows begun or written between two looks at the answers that have arrived


class Pass:
    """One pass of one step over its rows; all its methods run in the thread that runs the step.

    Args:
        recipe: what the step does.
        step: where its rows come from.
        journal: of the step's cache directory.
        writer: the step's files in the making, open.
        counts: the figures of the run.
        ledger: of the run.
        executor: has the pools of the workers.
        lookahead: rows that may be unanswered at once.
        signals: stop the pass.
        links: to the steps that run at the same time.
    """

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
        links: Links,
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
        self._replay.unpaid, self._replay.has_failed = self._sink.unpaid, self._sink.has_failed
        self._before = self._replay.begin_before()
        self._held_back: list[Walk] = []  # rows that may ask once `_before` has ended
        self._links = links
        if links.source_rows is not None:
            links.source_rows.follow(self._sink.arrived.wake)
        self._source, self._behind = self._cursor(), self._cursor()  # the planner's cursor and the writer's
        self._shown = 0  # source rows whose output the step behind was shown
        self._planned_all = False
        self._planned = 0  # source rows begun
        self._written = 0  # source rows written
        self._pending: dict[int, Walk] = {}  # by index, in input order: rows that wait for answers
        self._counting = Twins(apart=recipe.twins)
        self._paid = KeyTable()  # ids of answers whose cost a row that the source settled has borne
        self._twins: dict[int, int] = {}  # index → earlier twins, where there are any, of rows begun and not written
        self._questions = Questions(recipe, executor, self._sink, self._replay.ids)
        self._signals = signals
        self._stopping = Stopping(self._sink, counts, self._questions.pools, signals)

    def _cursor(self) -> RowCursor | SourceCursor | FollowingCursor:
        source = self._recipe.source
        if self._links.source_rows is not None:
            return FollowingCursor(self._links.source_rows)
        return self._step.cursor(self._recipe.split_by) if source is None else SourceCursor(source)

    @property
    def fingerprints(self) -> Mapping[str, Sequence[Mapping[str, JSON]]]:
        """Name of a worker → the fingerprints in the ids of its answers, see `Ids.fingerprints`."""
        return {name: self._replay.ids.fingerprints(name) for name in self._recipe.workers}

    @property
    def every_row_failed(self) -> bool:
        """Whether rows came in and none of them has a result."""
        if self._recipe.source is not None:
            return self._counts.failed > 0 and not self._counts.rows and not self._counts.sides.total()
        if self._step.options.shard is not None:  # `dataflowmm merge` checks the rows of all shards
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
                if status.is_due:  # before the status file counts failed rows, the errors file has their lines
                    self._writer.flush()
                self._show_rows()
                show()
                if self._sink.stopped:
                    break
        except Interrupted:  # raised again below, by `raise_reason`, once what is in flight has arrived
            pass
        except NotStored as error:  # a row could not be written: the answers in flight are kept all the same
            self._sink.stop(error)
        finally:
            late = self._stopping.drain(show)
            self._ledger.close()
        try:
            self._go_on(late)  # for the counts: rows that these answers complete are done, and written by the next run
            self._count()
        finally:
            self._stopping.raise_reason()

    def _count(self) -> None:
        """Update the counts that follow from the state of this pass."""
        counts, source, follows = self._counts, self._recipe.source, self._links.source_rows
        waiting = len(self._pending) - (BEFORE in self._pending)
        counts.set_done(self._planned - waiting - counts.again, asks=waiting > 0)
        if source is not None:
            counts.rows_in, counts.note = source.expected - counts.again, source.note
        counts.pause, counts.limit = self._questions.pause, self._questions.limit
        if follows is not None:
            counts.rows_in = max(self._source.position, follows.expected)
            if not (counts.pause or self._pending or follows.is_complete):
                counts.pause = f"waits for rows of step {self._step.number - 1}"
        # For the step behind: the rows that are written, and one for each source row that is not written yet.
        self._links.own_rows.expected = counts.rows + max(0, counts.rows_in + counts.again - self._written)

    def _show_rows(self) -> None:
        """Let the step behind, if one follows, read the rows that were written since the last call."""
        if self._links.own_rows.is_followed and self._shown < self._written:
            self._writer.flush()
            self._shown = self._written
            self._links.own_rows.notify()

    def _hold_back(self, walks: list[Walk], before: Walk) -> list[Walk]:
        """Hold back the first rows that ask until `before` has ended; returns the walk that asks in their place."""
        self._before, self._held_back = None, walks
        self._replay.advance([before], Twins().earlier, ask=True)
        self._pending[BEFORE] = before
        self._settle(before)
        return [before] if before.missing else []

    def _settle(self, walk: Walk) -> None:
        """Forget a walk that has ended; when `Recipe.before` has ended, let the rows ask that were held back.

        Raises:
            StepFailed: `Recipe.before` failed, such as by a judge that does not see what it is shown.
        """
        if walk.index == BEFORE and walk.error is not None:
            raise StepFailed(f"{self._recipe.name} could not begin: {walk.error}")
        if walk.rows is not None:
            del self._pending[walk.index]
            if walk.index == BEFORE:
                self._ask(self._held_back)

    def _plan(self) -> int:
        """Begin the next rows and ask what they miss; returns how many rows were begun."""
        room = min(_CHUNK, self._lookahead - len(self._pending))
        if self._planned_all or room <= 0 or BEFORE in self._pending:
            return 0
        index = self._source.position
        rows = self._source.take(room)
        if not rows:
            self._planned_all = not self._source.grows
            return 0
        if self._links.source_rows is not None:  # the rows of a finished file were counted by `check_source`
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
        """Begin rows.

        Args:
            rows: each with its line or record number from 1.
            first: index in the source of the first of them.
            planned: whether the planner began them before.

        Raises:
            Interrupted: a signal arrived. It is looked for before each row, since reading pictures takes time.
        """
        walks = []
        with self._replay.ahead_of([row for _, row in rows]):
            for index, (line, row) in enumerate(rows, first):
                self._signals.check()
                walks.append(self._replay.begin(index, line, row, planned=planned))
        return walks

    def _ask(self, walks: Sequence[Walk]) -> None:
        """Submit what these walks miss and no other walk has asked; the first call opens the pools of all workers."""
        if walks and not self._questions.pools:  # all at once: a missing key of the judge shows before the first edit
            self._signals.elsewhere(self._questions.open_pools)
            self._links.await_devices()
            self._signals.check()
            self._replay.advance(self._replay.renew_ids([*self._pending.values()]), self._counting.earlier, ask=True)
            for walk in [*self._pending.values()]:
                self._settle(walk)
        new = [job for walk in walks for job in self._questions.wait(walk)]
        self._questions.submit(new, begun=self._links.finishes_first)

    def _take_answers(self, *, wait: bool) -> None:
        """Go on with the rows whose answers have arrived.

        Args:
            wait: wait for an answer first, for a fifth of a second at most: signals and counts are looked at between.
        """
        if wait:
            began = time.monotonic()
            self._sink.arrived.wait(0.2)
            pools, seconds = self._questions.pools.values(), time.monotonic() - began
            note_wait(self._recipe.source, pools, self._counts, seconds)
        self._questions.submit(self._go_on(self._sink.arrived.take()), begun=True)

    def _go_on(self, arrived: Iterable[tuple[str, Answer]]) -> list[Job]:
        """Give arrived answers to the rows that wait for them; returns the jobs that these rows ask next."""
        new: list[Job] = []
        for request_id, answer in arrived:
            for walk in self._questions.arrived(request_id):
                if self._answered(walk, request_id, answer):
                    new += self._questions.wait(walk)
        return new

    def _answered(self, walk: Walk, request_id: str, answer: Answer) -> bool:
        """Give a walk one answer, and resume its generator if that was the last; returns whether it asks more."""
        if answer.error is not None and answer.error.kind == "fatal":  # a fatal failure ends the run, not the row
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
        """Replay and write the next rows that are done, up to the first one that waits for answers; returns how many.

        Raises:
            ConfigError: a row that the planner finished now lacks an answer, so the source or a picture has changed.
        """
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
        """Write a row that has ended and add it to the counts; a source decides first what becomes of its row."""
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
            self._counts.accept(count_accepted(self._recipe, walk), are_new=walk.has_new_answers)
        else:
            self._counts.fail(str(walk.error))
            file = self._step.source if self._recipe.source is None else None
            self._writer.side("errors", describe_failure(file, walk, self._recipe.inputs))
