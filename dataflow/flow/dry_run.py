"""A dry run of a step: plans its rows as a run does and says what a run would send, without sending anything.

The rows are planned over the same journal, so the answers that are there are known exactly, and so are the requests
that each row sends next. No pool is opened, no weights are loaded and no step file is written. Requests that depend on
answers that are not there are counted as the operator `expects` them. A step whose input is not made yet is counted
"up to", on as many rows as the step before may write.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow.core.key_table import KeyTable, key_of
from dataflow.core.records import Answer, Job, Request, Row
from dataflow.core.source import SourceCursor
from dataflow.flow.counts import Counts
from dataflow.flow.demand import Demand
from dataflow.flow.preflight import Found, check_source, check_takes_masks
from dataflow.flow.recipe import Recipe, is_empty
from dataflow.flow.replay import Replay
from dataflow.flow.status_file import last_rows_per_second, rows_replaced
from dataflow.flow.summary import Summary, snapshot
from dataflow.flow.twins import Twins
from dataflow.flow.walk import Walk
from dataflow.journal.journal import Journal
from dataflow.money.budget import Budget
from dataflow.money.estimate import describe_total
from dataflow.money.ledger import Ledger
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.storage import Expected, Step

_CHUNK = 256
_SAMPLES = 256  # rows that stand for all others in the steps after this one


class _DryRun:
    """The counts of one dry run of one step.

    Attributes:
        counts: figures of the rows, as in a run.
        demand: the requests that would be sent.
        rows: rows of the source.
        open_rows: rows that a request would be sent for.
        rows_out: most rows that would be written.
        answered: requests that the journal has answers to.
        samples: the first rows that would be written, as far as they are known.
    """

    def __init__(self, recipe: Recipe, step: Step, budget: Budget) -> None:
        self._recipe = recipe
        self._step = step
        self.counts = Counts()
        self.demand = Demand(recipe, budget)
        self.rows = self.open_rows = self.rows_out = self.answered = 0
        self.samples: list[Row] = []
        self._asked = KeyTable()  # ids of the requests that `demand` has
        self._answers: defaultdict[int, Counter[str]] = defaultdict(Counter)  # index of a row → worker → known answers

    def count_rows(self, journal: Journal, ledger: Ledger) -> None:
        """Plan the rows of the source and count what they would send."""
        replay = Replay(self._recipe, self._step, journal, self.counts, ledger, on_known_answer=self._note_answer)
        source = self._recipe.source
        cursor = self._step.cursor(self._recipe.split_by) if source is None else SourceCursor(source)
        twins, settled, paid = Twins(apart=self._recipe.twins), True, KeyTable()
        while rows := cursor.take(_CHUNK):
            with replay.ahead_of([row for _, row in rows]):
                walks = [replay.begin(index, line, row) for index, (line, row) in enumerate(rows, self.rows)]
            self._answers.clear()
            replay.advance(walks, twins.earlier, ask=True)
            for walk in walks:
                settled = settled and walk.rows is not None
                if source is not None and settled and walk.rows is not None:
                    walk.settle(source, paid)
                self._count(walk)

    def _note_answer(self, walk: Walk, job: Job, answer: Answer) -> None:
        self.answered += 1
        self._answers[walk.index][job.request.worker] += 1
        self.demand.answered(job, answer)

    def _count(self, walk: Walk) -> None:
        """Count a planned row: its failure, what it would send, and the rows that would come out."""
        self.rows += 1
        if walk.error is not None:
            self.counts.fail(str(walk.error))
        if walk.missing:
            self.open_rows += 1
            self.demand.add(walk.row, self._requests_of(walk), self._answers[walk.index])
        coming_out = [walk.row] if walk.rows is None else walk.rows
        self.rows_out += len(coming_out)
        if walk.error is None:
            self._keep_samples(coming_out, made=walk.rows is not None)

    def count_before(self, journal: Journal, ledger: Ledger) -> None:
        """Count what `Recipe.before` would send."""
        replay = Replay(self._recipe, self._step, journal, self.counts, ledger, on_known_answer=self._note_answer)
        if (walk := replay.begin_before()) is not None:
            replay.advance([walk], Twins().earlier, ask=True)
            self.demand.add_requests(self._requests_of(walk))

    def _requests_of(self, walk: Walk) -> list[Request]:
        """The missing requests of a walk that no earlier walk asks: one answer serves both."""
        missing = [job for job in walk.jobs if job.id in walk.missing]
        return [job.request for job in missing if self._asked.put(key_of(job.id)) is None]

    def count_unmade_rows(self, earlier: Expected) -> None:
        """Count the rows that an earlier step would make, in place of the rows in the file of an earlier run.

        Args:
            earlier: what the dry run of the step before expects.
        """
        self.demand.forget_rows()
        self.counts, self.samples = Counts(), []
        self.rows = self.open_rows = self.rows_out = earlier.rows
        samples = (earlier.samples or ({},)) if earlier.rows else ()
        for row in samples:
            self.demand.add_unmade(row, earlier.rows / len(samples))
        self._keep_samples(samples, made=False)

    def _keep_samples(self, rows: Sequence[Row], *, made: bool) -> None:
        """Keep rows as samples for the dry run of the next step.

        Args:
            rows: as they would be written.
            made: whether they are complete; else the output column is left out, since no answer fills it.
        """
        recipe = self._recipe
        unmade = () if made or recipe.output in recipe.inputs else (recipe.output,)
        for row in rows[: _SAMPLES - len(self.samples)]:
            self.samples.append({name: row[name] for name in row if name not in unmade and not is_empty(row[name])})


def rehearse(recipe: Recipe, step: Step, budget: Budget) -> Summary:
    """Count what a run of a step would send and what that would cost; the summary's `estimate` says it.

    Args:
        recipe: what the step does.
        step: where it reads and would write.
        budget: what its workers charge.

    Raises:
        ConfigError: settings, input file or columns are wrong, as in a run.
    """
    earlier = step.expected.get(step.number - 1)
    unmade = None if earlier is None or (earlier.complete and step.source.exists()) else earlier
    run = _DryRun(recipe, step, budget)
    with _journal_of(step) as journal:
        ledger = Ledger(journal, budget, reads_only=True)
        found = Found(0) if unmade is not None else check_source(step, recipe)
        if unmade is None or step.source.exists():
            run.count_rows(journal, ledger)
        if unmade is not None:
            run.count_unmade_rows(unmade)
        if run.demand.remaining:
            run.count_before(journal, ledger)
        run.counts.kept, run.counts.output = found.kept, recipe.output or ""
        summary, remaining = snapshot(step, recipe, run.counts, ledger), ledger.remaining
    for name in run.demand.asked:
        if recipe.workers[name].billing() is not None:  # an API; to prepare a local model would download it
            recipe.workers[name].rehearse()
    if run.demand.remaining:
        check_takes_masks(recipe.workers, recipe.masked)
    complete = unmade is None and not run.demand.remaining
    step.expected[step.number] = Expected(run.rows_out, complete, run.samples)
    rate = last_rows_per_second(step)
    estimate = run.demand.estimate(
        answered=run.answered,
        up_to=unmade is not None,
        currency=summary.currency,
        left=remaining,
        measured_seconds=run.open_rows / rate if rate else 0.0,
    )
    replaced = 0 if unmade is not None else rows_replaced(recipe, step, run.rows)
    expected = run.rows if recipe.source is None else recipe.source.expected
    if recipe.source is not None and expected > run.rows:  # the source has not begun the other rows
        longer = estimate.seconds * expected / max(1, run.rows)
        estimate = replace(estimate, seconds=longer if rate else recipe.source.seconds or longer)
    summary = replace(summary, rows=run.rows, rows_in=expected, reused=run.answered, rows_replaced=replaced)
    return replace(summary, estimate=estimate)


@contextmanager
def _journal_of(step: Step) -> Iterator[Journal]:
    """The step's journal, or an empty one in a temporary folder, so that a dry run creates no cache directory."""
    folder = Path(step.cache_path).expanduser()
    with TemporaryDirectory() as temporary:
        # A shard without a journal would begin with the answers of the directory above it.
        folders = [folder, step.root.expanduser()]
        found = next((path for path in folders if CacheFolder(path).journal.exists()), Path(temporary))
        with Journal.opened(found, step.root.expanduser()) as journal:
            yield journal


def total_of(summaries: Sequence[Summary]) -> str:
    """The dry runs of all steps of a pipeline in one line, such as for the end of a script."""
    return describe_total([summary.estimate for summary in summaries if summary.estimate is not None])
