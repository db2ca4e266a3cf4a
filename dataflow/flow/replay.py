"""One row's generator, run over the answers that the journal has.

Planning and writing a row are the same act: its generator runs, is given what was answered, and
either returns rows or names what is missing. So nothing about a row needs to be stored, and a run that
was killed goes on by doing the same again.

Over 300 lines with its docstrings: what a row asks, knows and becomes is one state.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from dataflow.core.records import Answer, Job, PictureFacts, Request, Row, Side
from dataflow.errors import AnswerError, ConfigError, Failure, RowError
from dataflow.flow.along import leave_out_along, own_digests
from dataflow.flow.answered_by import who_answered
from dataflow.flow.counts import Counts
from dataflow.flow.file_stats import FileStats
from dataflow.flow.ids import Ids, wave_digest
from dataflow.flow.named_pictures import named_pictures, names_in, with_paths
from dataflow.flow.recipe import Recipe, is_empty
from dataflow.flow.side_outputs import COUNTED
from dataflow.flow.walk import BEFORE, Walk
from dataflow.io.image import check_picture, picture_changed
from dataflow.io.masks import check_mask
from dataflow.journal.index import ANSWERED, REFUSED, Place
from dataflow.journal.journal import Journal
from dataflow.money.ledger import Ledger
from dataflow.utils.files import sha256_of_file, stamp_of
from dataflow.utils.held import not_stored
from dataflow.utils.row_json import dump_row, writable
from dataflow.utils.storage import Step


class Replay:
    """Runs rows of one step over its journal.

    Args:
        recipe: the operator's.
        step: whose rows these are.
        journal: of the step's cache directory.
        counts: of this run.
        ledger: of this run.
        saw: called with each answer that is there already; then nothing is written into the journal.

    Attributes:
        ids: of the requests.
    """

    def __init__(
        self,
        recipe: Recipe,
        step: Step,
        journal: Journal,
        counts: Counts,
        ledger: Ledger,
        saw: Callable[[Walk, Job, Answer], None] | None = None,
    ) -> None:
        self._recipe = recipe
        self._journal = journal
        self._counts = counts
        self._ledger = ledger
        self._saw = saw
        self._step_number = step.number
        self._files = FileStats(step.path_rules())
        self._pass_start = journal.size
        self._lost: set[str] = set()  # ids of answers whose pictures are gone
        self.ids = Ids(recipe.workers)
        self.left_out: Callable[[Job], Answer | None] = lambda job: None  # the failure of what could not be paid
        self.has_failed: Callable[[Job], bool] = lambda job: False  # in this run, and not in a step beside it
        made = () if recipe.output is None else (recipe.output,)
        self._columns = (*recipe.inputs, *recipe.optional, *made, *recipe.also)

    def ahead_of(self, rows: Sequence[Row]) -> AbstractContextManager[None]:
        """Look at the pictures of rows that are begun within this block, all at once where their disk is slow."""
        return self._files.ahead(name for row in rows for name in names_in(row, self._columns))

    def begin(self, index: int, line: int, row: Row, *, planned: bool = False) -> Walk:
        """Start a row: runs its generator to the first wave of requests, or to its end.

        Args:
            index: of the row, from 0.
            line: its line or record number, from 1.
            row: as it came in.
            planned: this pass began the row before, so a picture that was replaced since then fails it.
        """
        walk = Walk(index, line, row, planned)
        recipe = self._recipe
        if recipe.keeps(row):
            walk.named = named_pictures(row, self._columns, self._files.resolve)
            self._end(walk, (row,))
            return walk
        for column in recipe.inputs:
            if is_empty(row.get(column)):
                why = ": failed earlier" if self._step_number > 1 else " in this row"
                return self._fail(walk, RowError(f"no `{column}`{why}"))
        try:
            walk.generator = recipe.steps({**row})
        except RowError as error:  # of a `steps` that looks at its row before it hands out a generator
            return self._fail(walk, error)
        self._turn(walk, None)
        return walk

    def begin_before(self) -> Walk | None:
        """Start what asks before any row does; None: nothing does."""
        generator = self._recipe.before()
        if generator is None:
            return None
        walk = Walk(BEFORE, 0, {}, twin=0, generator=generator)
        self._turn(walk, None)
        return walk

    def advance(self, walks: Sequence[Walk], twins: Callable[[Sequence[bytes]], Sequence[int]], *, ask: bool) -> None:
        """Take each walk as far as the journal goes.

        Args:
            walks: all at the same kind of place: just begun, or with their wave answered.
            twins: earlier rows with the same first wave, for a list of waves.
            ask: count what is reused, and adopt pictures that have no line.
        """
        active = [walk for walk in walks if walk.wave]
        while active:
            self._identify(active, twins)
            self._look_up(active, ask=ask)
            active = self._feed_answered(active)

    def _feed_answered(self, walks: Sequence[Walk]) -> list[Walk]:
        """Give their answers to walks that have all of their wave; those that ask once more."""
        answered = [walk for walk in walks if not walk.missing]
        for walk in answered:
            self.feed(walk)
        return [walk for walk in answered if walk.wave]

    def feed(self, walk: Walk) -> None:
        """Give a walk the answers of its wave."""
        answers = [walk.given(job.id) for job in walk.jobs]
        own = [(job, answer) for job, answer in zip(walk.jobs, answers, strict=True) if not job.request.along]
        walk.pictures.update(picture.path for _, answer in own for picture in answer.pictures)
        walk.answered_by += filter(None, (who_answered(job.request.worker, answer) for job, answer in own))
        walk.known = {}
        for job, answer in own:
            walk.spend(job, answer)
        self._turn(walk, answers, [answer for _, answer in own])

    def _turn(self, walk: Walk, answers: Sequence[Answer] | None, own: Sequence[Answer] = ()) -> None:
        """Let a row's generator go on; `own` are the answers to what the row cannot do without."""
        walk.wave = ()
        assert walk.generator is not None
        try:
            while not walk.wave:
                wave = walk.generator.send(answers) if answers is not None else next(walk.generator)
                if not isinstance(wave, Sequence) or not all(isinstance(request, Request) for request in wave):
                    raise TypeError(f"{self._recipe.name} must ask with a list of Requests, not {wave!r:.80}")
                resolved = [self._resolve(request, walk.named) for request in wave]
                walk.facts = [self._look_at(request, walk) for request in resolved]
                walk.digests = [self.ids.plan(*asked) for asked in zip(resolved, walk.facts, strict=True)]
                walk.wave = resolved
                answers = ()
        except StopIteration as stop:
            self._finish(walk, stop.value, own)
        except RowError as error:
            self._fail(walk, error)
        except AnswerError as error:
            self._fail(walk, error.failure)

    def _finish(self, walk: Walk, returned: object, last: Sequence[Answer]) -> None:
        """A row's generator is at its end, with these answers sent to it last."""
        failed = next((answer.error for answer in last if answer.error is not None), None)
        if failed is not None and self._recipe.output is None and not self._recipe.reads_failures:
            self._fail(walk, failed)  # whatever a filter concluded, it did so without a verdict
            return
        try:
            self._take(walk, returned)
        except RowError as error:
            self._fail(walk, error)

    def _take(self, walk: Walk, returned: object) -> None:
        """Keep what a generator returned, rows and side outputs apart; with an error among them the row failed.

        Raises:
            RowError: it is no list of rows, or no step's file could hold one of them. The answers are journalled: an
                operator that was put right asks nothing again.
        """
        if not isinstance(returned, list | tuple):
            raise self._no_rows(returned)
        rows: list[Row] = []
        sides: list[Side] = []
        error: RowError | None = None
        for each in returned:
            if isinstance(each, dict):
                rows.append(each)
            elif isinstance(each, Side) and isinstance(each.row, dict):
                sides.append(self._declared(each))
            elif isinstance(each, RowError):
                error = each
            else:
                raise self._no_rows(each)
        for row in (*rows, *(side.row for side in sides)):
            try:
                dump_row(row)
            except RowError as unwritable:
                raise RowError(f"{self._recipe.name} returns a row that no file can hold: {unwritable}") from None
        if error is None:
            self._end(walk, rows, sides)
        else:
            self._fail(walk, error, sides)

    def _end(self, walk: Walk, rows: Sequence[Row], sides: Sequence[Side] = ()) -> None:
        """What comes out of a row names every picture by its absolute path."""
        if walk.named:
            rows = [with_paths(row, self._columns, walk.named) for row in rows]
            sides = [replace(side, row=with_paths(side.row, self._columns, walk.named)) for side in sides]
        walk.rows, walk.sides = rows, sides

    def _no_rows(self, returned: object) -> RowError:
        return RowError(
            f"{self._recipe.name} must return a list of rows (dicts), each alone or in a Side, not {returned!r:.80}"
        )

    def _declared(self, side: Side) -> Side:
        if side.name not in (*self._recipe.sides, *COUNTED):
            raise RowError(
                f"{self._recipe.name} returns a row for the side output {side.name!r}, which it did not declare;"
                f" declared: {', '.join(self._recipe.sides) or 'none'}"
            )
        return side

    def _fail(self, walk: Walk, error: RowError | Failure, sides: Sequence[Side] = ()) -> Walk:
        walk.error = error
        walk.wave = ()
        walk.row = writable(walk.row)  # an operator may have changed what lies within it
        recipe = self._recipe
        if recipe.output is None or recipe.source is not None:  # what was not judged is not accepted
            self._end(walk, (), sides)
        elif recipe.output in recipe.inputs:
            self._end(walk, (walk.row,), sides)
        else:
            unmade = (recipe.output, *recipe.also)
            self._end(walk, ({**walk.row, **{column: [] for column in unmade}},), sides)
        return walk

    def _resolve(self, request: Request, named: dict[str, str]) -> Request:
        if request.worker not in self._recipe.workers:
            raise ConfigError(f"{self._recipe.name} asks a worker named {request.worker!r}, which it was not given")
        if not request.all_files():
            return request
        if not request.turns and request.mask is None and all(map(self._is_resolved, request.images)):
            return request

        def resolve(name: str) -> str:
            path = self._files.resolve(name)
            if path != name:
                named[name] = path
            return path

        turns = tuple(replace(turn, images=tuple(resolve(p) for p in turn.images)) for turn in request.turns)
        mask = None if request.mask is None else resolve(request.mask)
        return replace(request, images=tuple(resolve(path) for path in request.images), turns=turns, mask=mask)

    def _is_resolved(self, path: str) -> bool:
        return self._files.resolve(path) == path

    def _look_at(self, request: Request, walk: Walk) -> tuple[PictureFacts, ...]:
        """What the pictures of a request are now.

        Raises:
            RowError: one cannot be read, or was replaced since its row was planned; its mask is of another size.
        """
        facts = tuple(self._facts(path, planned=walk.planned) for path in request.all_files())
        if request.mask is not None:
            check_mask(request, facts)
        return facts

    def _facts(self, path: str, *, planned: bool) -> PictureFacts:
        try:
            known = self._journal.index.picture(path)
            if known is not None and known.stamp == stamp_of(self._files.of(path)):
                return known
            now = os.stat(path)  # noqa: PTH116 - anew, right before it is read
            stamp = stamp_of(now)
            same = known is not None and known.size == now.st_size and sha256_of_file(path) == known.sha256
        except OSError as error:
            raise RowError(f"picture {path} cannot be read: {error.strerror}") from None
        if known is not None and planned and not same:
            raise picture_changed(path)
        if known is not None and same:
            facts = known._replace(stamp=stamp)
        else:
            facts = PictureFacts(now.st_size, stamp, *check_picture(path))
        self._journal.index.keep_picture(path, facts)
        return facts

    def _identify(self, walks: Sequence[Walk], twins: Callable[[Sequence[bytes]], Sequence[int]]) -> None:
        first = [walk for walk in walks if walk.twin is None]
        waves = [wave_digest(own_digests(walk)) for walk in first]
        for walk, twin in zip(first, twins(waves) if first else (), strict=True):
            walk.twin = twin
        for walk in walks:
            walk.jobs = self._jobs(walk)

    def _jobs(self, walk: Walk) -> list[Job]:
        asked = zip(walk.wave, walk.facts, walk.digests, strict=True)
        return [self.ids.job(*each, walk.twin or 0) for each in asked]

    def rename(self, walks: Sequence[Walk]) -> list[Walk]:
        """Give what waits the ids of what is asked, now that the workers are prepared; those that go on."""
        waiting = [walk for walk in walks if walk.missing] if self.ids.renew() else []
        for walk in waiting:
            before, walk.jobs = walk.jobs, self._jobs(walk)
            now = {old.id: job.id for old, job in zip(before, walk.jobs, strict=True)}
            walk.known = {now[name]: answer for name, answer in walk.known.items()}
            walk.missing = set()
        self._look_up(waiting, ask=True)  # nobody could know these ids before
        return self._feed_answered(waiting)

    def _look_up(self, walks: Sequence[Walk], *, ask: bool) -> None:
        wanted = [(walk, job) for walk in walks for job in walk.jobs if job.id not in walk.known]
        places = self._journal.places([job.id for _, job in wanted])
        read = [place and self._journalled(place, job) for (_, job), place in zip(wanted, places, strict=True)]
        with self._files.ahead(picture.path for answer in read if answer is not None for picture in answer.pictures):
            found = [answer and self._if_whole(job.id, answer) for (_, job), answer in zip(wanted, read, strict=True)]
        for (walk, job), place, answer in zip(wanted, places, found, strict=True):
            others = {} if answer is not None else self.ids.others(job, walk.twin or 0)
            if answer is None:
                place, answer = self._under_another_id(job, others)
            elif ask:
                self.ids.count(job.request.worker)
            if place is not None and answer is not None:
                self._counts.reused += ask
                walk.has_news |= place.offset >= self._pass_start
            elif ask:
                answer = self._recover((job, *others.values()))
            answer = answer or self.left_out(job)
            if answer is None:
                walk.missing.add(job.id)
            else:
                walk.known[job.id] = answer
                if self._saw is not None:
                    self._saw(walk, job, answer)
        leave_out_along(walks)

    def _journalled(self, place: Place, job: Job) -> Answer | None:
        """The answer at this place, unless it must be asked again."""
        if job.request.anew and place.offset < self._pass_start:
            return None
        if place.kind == ANSWERED and self._journal.shared and self.has_failed(job):  # its row was planned with that
            return Answer(error=Failure("failed", "it failed, and a step at the same time was answered: run again"))
        failed = place.kind != ANSWERED and (place.kind != REFUSED or self._recipe.retry_rejected)
        return None if failed and not self.has_failed(job) else self._journal.read(place, job.id)

    def _if_whole(self, request_id: str, answer: Answer) -> Answer | None:
        """The answer, unless its pictures are gone."""
        for picture in answer.pictures:
            try:
                whole = self._files.of(picture.path).st_size == picture.size
            except OSError:
                whole = False
            if not whole:
                self._lost.add(request_id)  # it may be looked for under several ids, before and after `rename`
                self._counts.lost = len(self._lost)
                return None
        return answer

    def _under_another_id(self, job: Job, others: Mapping[bytes, Job]) -> tuple[Place | None, Answer | None]:
        """Its answer under an id that counts as well."""
        places = self._journal.places([other.id for other in others.values()])
        for (fingerprint, other), place in zip(others.items(), places, strict=True):
            answer = None if place is None else self._journalled(place, other)
            if answer is not None and self._if_whole(other.id, answer) is not None:
                self.ids.count(job.request.worker, fingerprint)
                return place, answer
        return None, None

    def _recover(self, jobs: Sequence[Job]) -> Answer | None:
        """The pictures of a job, under each of its ids, that were saved and not journalled, which they are now."""
        worker = self._recipe.workers[jobs[0].request.worker]
        job, answer = next(((each, found) for each in jobs if (found := worker.recover(each))), (jobs[0], None))
        if answer is None:
            return None
        self._counts.adopted += 1
        charge = self._ledger.charge_adopted(job, answer)
        if self._saw is None:
            try:
                self._journal.got(job.id, 0, answer, charge)
            except OSError as error:
                raise not_stored(error) from error
        return answer if charge is None else replace(answer, cost=charge.cost)
