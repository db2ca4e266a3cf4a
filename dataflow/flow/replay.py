"""Runs a row's generator over the answers that the journal has.

Planning a row and writing it are the same act. The generator yields a wave of requests, is sent their answers, and goes
on until it returns rows, or until the journal lacks an answer. So nothing about a row is stored: a run that was killed
goes on by running the generators again, and the journal answers what it answered before.

Over 300 lines with its docstrings: what a row asks, which answers it has and what it becomes is one state.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from dataflow.core.records import Answer, Job, PictureFacts, Request, Row, Side
from dataflow.errors import AnswerError, DataflowError, Failure, RowError
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
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import sha256_of_file, stamp_of
from dataflow.utils.row_json import dump_row, writable
from dataflow.utils.storage import Step


class Replay:
    """Runs rows of one step over the journal of its cache directory.

    Args:
        recipe: what the step does.
        step: the step; its source says where the pictures of a row may lie.
        journal: the open journal of the step's cache directory.
        counts: the figures of this run, which the replay adds to.
        ledger: prices the pictures that are adopted.
        on_known_answer: called with each answer that the journal has already; a dry run gives it. With it the replay
            writes nothing into the journal.

    Attributes:
        ids: makes the ids of the requests of this pass.
        unpaid: the failure of a job that `max_cost` left no room for in this run; None for every other job.
        has_failed: whether a job failed in this run. A step that runs at the same time may fail with the same job.
    """

    def __init__(
        self,
        recipe: Recipe,
        step: Step,
        journal: Journal,
        counts: Counts,
        ledger: Ledger,
        on_known_answer: Callable[[Walk, Job, Answer], None] | None = None,
    ) -> None:
        self._recipe = recipe
        self._journal = journal
        self._counts = counts
        self._ledger = ledger
        self._on_known_answer = on_known_answer
        self._step_number = step.number
        self._files = FileStats(step.path_rules())
        self._pass_start = journal.size
        self._lost: set[str] = set()  # ids of journalled answers whose pictures are gone
        self.ids = Ids(recipe.workers)
        self.unpaid: Callable[[Job], Answer | None] = lambda job: None
        self.has_failed: Callable[[Job], bool] = lambda job: False
        output = () if recipe.output is None else (recipe.output,)
        self._columns = (*recipe.inputs, *recipe.optional, *output, *recipe.also)  # columns that may name pictures

    def ahead_of(self, rows: Sequence[Row]) -> AbstractContextManager[None]:
        """Stat the pictures of these rows before they are begun in this block, by threads where the disk is slow."""
        return self._files.ahead(name for row in rows for name in names_in(row, self._columns))

    def begin(self, index: int, line: int, row: Row, *, planned: bool = False) -> Walk:
        """Run a row's generator to its first wave of requests, or to its end if the row asks nothing.

        Args:
            index: the row's index in the source, from 0.
            line: the row's line or record number in the source, from 1.
            row: the row as the source gives it.
            planned: whether this pass began the row before. A picture that was replaced since then fails the row, since
                its requests were planned with the contents of the old one.
        """
        walk = Walk(index, line, row, planned)
        recipe = self._recipe
        if recipe.keeps(row):
            walk.named = named_pictures(row, self._columns, self._files.resolve)
            self._set_rows(walk, (row,))
            return walk
        for column in recipe.inputs:
            if is_empty(row.get(column)):
                why = ": failed earlier" if self._step_number > 1 else " in this row"
                return self._fail(walk, RowError(f"no `{column}`{why}"))
        try:
            walk.generator = recipe.steps({**row})
        except RowError as error:  # raised by a `steps` that is no generator itself and reads the row first
            return self._fail(walk, error)
        self._resume(walk, None)
        return walk

    def begin_before(self) -> Walk | None:
        """Begin the walk of `Recipe.before`, which asks before any row does; None if the recipe has none."""
        generator = self._recipe.before()
        if generator is None:
            return None
        walk = Walk(BEFORE, 0, {}, twin=0, generator=generator)
        self._resume(walk, None)
        return walk

    def advance(self, walks: Sequence[Walk], twins: Callable[[Sequence[bytes]], Sequence[int]], *, ask: bool) -> None:
        """Take each walk as far as the journal has answers.

        Args:
            walks: rows that were just begun, or rows whose generator has yielded another wave.
            twins: digests of first waves, in input order → how many earlier rows had each of these first waves.
            ask: whether missing answers will be asked for. Then what is reused is counted, and a picture that lies
                whole on disk without a line in the journal is adopted. A row that is written asks nothing more.
        """
        active = [walk for walk in walks if walk.wave]
        while active:
            self._identify(active, twins)
            self._look_up(active, ask=ask)
            active = self._feed_answered(active)

    def _feed_answered(self, walks: Sequence[Walk]) -> list[Walk]:
        """Feed the walks that miss no answer of their wave; returns those whose generators yield another wave."""
        answered = [walk for walk in walks if not walk.missing]
        for walk in answered:
            self.feed(walk)
        return [walk for walk in answered if walk.wave]

    def feed(self, walk: Walk) -> None:
        """Send the answers of a walk's wave to its generator."""
        answers = [walk.take_answer(job.id) for job in walk.jobs]
        own = [(job, answer) for job, answer in zip(walk.jobs, answers, strict=True) if not job.request.along]
        walk.pictures.update(picture.path for _, answer in own for picture in answer.pictures)
        walk.answered_by += filter(None, (who_answered(job.request.worker, answer) for job, answer in own))
        walk.known = {}
        for job, answer in own:
            walk.spend(job, answer)
        self._resume(walk, answers, [answer for _, answer in own])

    def _resume(self, walk: Walk, answers: Sequence[Answer] | None, own: Sequence[Answer] = ()) -> None:
        """Resume a row's generator up to its next wave of requests, or to its end.

        Args:
            walk: the row.
            answers: what the generator is sent, one answer for each request of its last wave; None begins it.
            own: the answers among them that the row needs: all but those of requests that were asked along.
        """
        walk.wave = ()
        assert walk.generator is not None
        try:
            while not walk.wave:
                wave = walk.generator.send(answers) if answers is not None else next(walk.generator)
                if not isinstance(wave, Sequence) or not all(isinstance(request, Request) for request in wave):
                    raise DataflowError(f"{self._recipe.name} asked with {wave!r:.80}: ask with a list of Requests")
                resolved = [self._resolve(request, walk.named) for request in wave]
                walk.facts = [self._look_at(request, walk) for request in resolved]
                walk.digests = [self.ids.plan(*asked) for asked in zip(resolved, walk.facts, strict=True)]
                walk.wave = resolved
                answers = ()  # an empty wave is answered at once, by nothing
        except StopIteration as stop:
            self._finish(walk, stop.value, own)
        except RowError as error:
            self._fail(walk, error)
        except AnswerError as error:
            self._fail(walk, error.failure)

    def _finish(self, walk: Walk, returned: object, last: Sequence[Answer]) -> None:
        """Decide what becomes of a row whose generator returned; `last` are the answers that it was sent last."""
        failed = next((answer.error for answer in last if answer.error is not None), None)
        if failed is not None and self._recipe.output is None and not self._recipe.reads_failures:
            self._fail(walk, failed)  # a filter fails closed: it may not keep a row that was not judged
            return
        try:
            self._accept_returned(walk, returned)
        except RowError as error:
            self._fail(walk, error)

    def _accept_returned(self, walk: Walk, returned: object) -> None:
        """Sort what a generator returned into rows and side outputs; a `RowError` among them fails the row.

        Raises:
            RowError: `returned` is no list of rows, or no file can hold one of the rows. The answers stay in the
                journal, so that the operator asks nothing again once its author has mended it.
        """
        if not isinstance(returned, list | tuple):
            raise self._not_rows(returned)
        rows: list[Row] = []
        sides: list[Side] = []
        error: RowError | None = None
        for item in returned:
            if isinstance(item, dict):
                rows.append(item)
            elif isinstance(item, Side) and isinstance(item.row, dict):
                sides.append(self._declared(item))
            elif isinstance(item, RowError):
                error = item
            else:
                raise self._not_rows(item)
        for row in (*rows, *(side.row for side in sides)):
            try:
                dump_row(row)
            except RowError as unwritable:
                raise RowError(f"{self._recipe.name} returns a row that no file can hold: {unwritable}") from None
        if error is None:
            self._set_rows(walk, rows, sides)
        else:
            self._fail(walk, error, sides)

    def _set_rows(self, walk: Walk, rows: Sequence[Row], sides: Sequence[Side] = ()) -> None:
        """End a walk with these rows, in which absolute paths take the place of the names that its row had."""
        if walk.named:
            rows = [with_paths(row, self._columns, walk.named) for row in rows]
            sides = [replace(side, row=with_paths(side.row, self._columns, walk.named)) for side in sides]
        walk.rows, walk.sides = rows, sides

    def _not_rows(self, returned: object) -> RowError:
        return RowError(
            f"{self._recipe.name} must return a list of rows (dicts), each alone or in a Side, not {returned!r:.80}"
        )

    def _declared(self, side: Side) -> Side:
        """The side output, if the operator declared its name.

        Raises:
            RowError: the operator did not.
        """
        if side.name not in (*self._recipe.sides, *COUNTED):
            raise RowError(
                f"{self._recipe.name} returns a row for the side output {side.name!r}, which it did not declare;"
                f" declared: {', '.join(self._recipe.sides) or 'none'}"
            )
        return side

    def _fail(self, walk: Walk, error: RowError | Failure, sides: Sequence[Side] = ()) -> Walk:
        """End a walk with an error: a filter's row is dropped, every other row stays with an empty output column."""
        walk.error = error
        walk.wave = ()
        walk.row = writable(walk.row)  # an operator may have changed the values of lists and dicts in the row
        recipe = self._recipe
        if recipe.output is None or recipe.source is not None:  # a row that was not judged is not accepted
            self._set_rows(walk, (), sides)
        elif recipe.output in recipe.inputs:
            self._set_rows(walk, (walk.row,), sides)
        else:
            unmade = (recipe.output, *recipe.also)
            self._set_rows(walk, ({**walk.row, **{column: [] for column in unmade}},), sides)
        return walk

    def _resolve(self, request: Request, named: dict[str, str]) -> Request:
        """The request with absolute paths; each name that is no absolute path is entered into `named`.

        Raises:
            RowError: a picture is nowhere, or its name fits two different files.
            ConfigError: the operator asks a worker that it was not given.
        """
        if request.worker not in self._recipe.workers:
            raise self._recipe.worker_missing(request.worker)
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
        """The facts of a request's pictures as they are on disk now, in the order of `Request.all_files`.

        Raises:
            RowError: a picture cannot be read, or was replaced since its row was planned; the mask has another size
                than the first picture.
        """
        facts = tuple(self._facts(path, planned=walk.planned) for path in request.all_files())
        if request.mask is not None:
            check_mask(request, facts)
        return facts

    def _facts(self, path: str, *, planned: bool) -> PictureFacts:
        """The facts of one picture file, from the index if its stamp is still the same, else from its bytes."""
        try:
            known = self._journal.index.picture(path)
            if known is not None and known.stamp == stamp_of(self._files.of(path)):
                return known
            now = os.stat(path)  # noqa: PTH116 - not the stat of `ahead`: the file is read right after this one
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
        """Count the earlier twins of rows that are at their first wave, and give every request its id."""
        first = [walk for walk in walks if walk.twin is None]
        waves = [wave_digest(own_digests(walk)) for walk in first]
        for walk, twin in zip(first, twins(waves) if first else (), strict=True):
            walk.twin = twin
        for walk in walks:
            walk.jobs = self._jobs(walk)

    def _jobs(self, walk: Walk) -> list[Job]:
        asked = zip(walk.wave, walk.facts, walk.digests, strict=True)
        return [self.ids.job(*parts, walk.twin or 0) for parts in asked]

    def renew_ids(self, walks: Sequence[Walk]) -> list[Walk]:
        """Give waiting requests the ids by the fingerprints that the workers have since they were prepared.

        Returns:
            The walks that go on: the journal answers them under the new ids, and their generators yielded another wave.
        """
        waiting = [walk for walk in walks if walk.missing] if self.ids.renew() else []
        for walk in waiting:
            before, walk.jobs = walk.jobs, self._jobs(walk)
            now = {old.id: job.id for old, job in zip(before, walk.jobs, strict=True)}
            walk.known = {now[name]: answer for name, answer in walk.known.items()}
            walk.missing = set()
        self._look_up(waiting, ask=True)  # the journal may have answers under ids that were not known before
        return self._feed_answered(waiting)

    def _look_up(self, walks: Sequence[Walk], *, ask: bool) -> None:
        """Look up the requests of these walks in the journal: an answer goes to `known`, a lacking one to `missing`.

        All walks are looked up together: one SELECT of the index, and one round of stats of their pictures.
        """
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
                walk.has_new_answers |= place.offset >= self._pass_start
            elif ask:
                answer = self._recover((job, *others.values()))
            answer = answer or self.unpaid(job)
            if answer is None:
                walk.missing.add(job.id)
            else:
                walk.known[job.id] = answer
                if self._on_known_answer is not None:
                    self._on_known_answer(walk, job, answer)
        leave_out_along(walks)

    def _journalled(self, place: Place, job: Job) -> Answer | None:
        """The answer at this place of the journal; None if the job is to be asked again in spite of it."""
        if job.request.anew and place.offset < self._pass_start:
            return None
        # This step planned its rows with the failure, and a step at the same time was answered. A row must be written
        # as it was planned: with the answer its generator could go on and ask, when nothing is asked any more.
        if place.kind == ANSWERED and self._journal.shared and self.has_failed(job):
            return Answer(error=Failure("failed", "it failed, and a step at the same time was answered: run again"))
        failed = place.kind != ANSWERED and (place.kind != REFUSED or self._recipe.retry_rejected)
        return None if failed and not self.has_failed(job) else self._journal.read(place, job.id)

    def _if_whole(self, request_id: str, answer: Answer) -> Answer | None:
        """The answer; None if one of its picture files is gone or has another size, which is counted as lost."""
        for picture in answer.pictures:
            try:
                whole = self._files.of(picture.path).st_size == picture.size
            except OSError:
                whole = False
            if not whole:
                self._lost.add(request_id)  # a set: one answer may be looked up often, before and after `renew_ids`
                self._counts.lost = len(self._lost)
                return None
        return answer

    def _under_another_id(self, job: Job, others: Mapping[bytes, Job]) -> tuple[Place | None, Answer | None]:
        """The place and the answer of a job under another of its ids; (None, None) if there is none.

        Args:
            job: the job under the id that it is asked by.
            others: fingerprint of the worker → the job under the id with that fingerprint, see `Ids.others`.
        """
        places = self._journal.places([same.id for same in others.values()])
        for (fingerprint, same), place in zip(others.items(), places, strict=True):
            answer = None if place is None else self._journalled(place, same)
            if answer is not None and self._if_whole(same.id, answer) is not None:
                self.ids.count(job.request.worker, fingerprint)
                return place, answer
        return None, None

    def _recover(self, jobs: Sequence[Job]) -> Answer | None:
        """Adopt the pictures of a job that a killed run saved and did not journal; they are journalled now.

        Args:
            jobs: one job under each of its ids, the id that it is asked by first.

        Raises:
            NotStored: the disk does not take the line.
        """
        worker = self._recipe.workers[jobs[0].request.worker]
        found = ((job, answer) for job in jobs if (answer := worker.recover(job)))
        job, answer = next(found, (jobs[0], None))
        if answer is None:
            return None
        self._counts.adopted += 1
        charge = self._ledger.charge_adopted(job, answer)
        if self._on_known_answer is None:
            try:
                self._journal.got(job.id, 0, answer, charge)
            except OSError as error:
                raise not_stored(error) from error
        return answer if charge is None else replace(answer, cost=charge.cost)
