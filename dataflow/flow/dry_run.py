"""A dry run: everything a step does before it asks, and what the asking would come to, without asking.

The rows go through the same planning over the same journal, so what is answered already is known exactly; nothing is
sent, no pool opened, no weights loaded, no step file written. Only first rounds of requests can be counted: what
an operator asks after an answer, and what is asked again, comes on top. A later step whose input is not made
yet is counted "up to", on rows as the step before may write them.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow.core.records import NANO, Answer, Job, Request, Row
from dataflow.core.source import SourceCursor
from dataflow.core.words import count_of, duration, show_amount
from dataflow.errors import AnswerError, RowError
from dataflow.flow.counts import Counts
from dataflow.flow.preflight import check_source
from dataflow.flow.replay import Recipe, Replay, Walk, is_empty
from dataflow.flow.summary import Summary
from dataflow.flow.twins import Twins
from dataflow.journal.journal import Journal
from dataflow.journal.pace import rows_per_second
from dataflow.money.budget import Budget
from dataflow.money.estimate import NO_PRICE, Estimate
from dataflow.money.ledger import Ledger
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.storage import Expected, Step

_CHUNK = 256
_SECONDS = {"image": 12.0, "text": 5.0}  # assumed for one request until a run has shown how long they take
_STAND_INS: tuple[object, ...] = ([{"role": "user", "content": "x" * 200}], ["not-made-yet.png"], "x" * 200)


@dataclass(slots=True)
class _Sums:
    """What was counted so far."""

    rows: int = 0
    answered: int = 0
    remaining: int = 0
    rows_open: int = 0
    most: int = 0
    known: Counter[str] = field(default_factory=Counter)  # by worker: answers whose cost is known, and their cost
    known_cost: Counter[str] = field(default_factory=Counter)
    # By worker: requests that a price list estimates, and its estimate.
    listed: Counter[str] = field(default_factory=Counter)
    listed_cost: dict[str, float] = field(default_factory=dict)
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)  # by worker and what is made
    sample: Row | None = None


class _Rehearsal:
    """One dry run of one step."""

    def __init__(self, recipe: Recipe, step: Step, budget: Budget) -> None:
        self._recipe = recipe
        self._step = step
        self._budget = budget
        self._counts = Counts()
        self.sums = _Sums()

    def saw(self, job: Job, answer: Answer) -> None:
        """An answer that is there already: what it cost tells what the others may."""
        self.sums.answered += 1
        charge = self._budget.charge(job, answer)
        if charge is not None and charge.cost is not None:
            self.sums.known[job.request.worker] += 1
            self.sums.known_cost[job.request.worker] += charge.cost

    def exactly(self, journal: Journal) -> None:
        """Go through the rows that are there."""
        ledger = Ledger(journal, self._budget, reads_only=True)
        replay = Replay(self._recipe, self._step, journal, self._counts, ledger, saw=self.saw)
        source = self._recipe.source
        cursor = self._step.cursor() if source is None else SourceCursor(source)
        twins, settled = Twins(), True
        while rows := cursor.take(_CHUNK):
            first = self.sums.rows
            walks = [replay.begin(first + at, line, row) for at, (line, row) in enumerate(rows)]
            replay.advance(walks, twins.earlier, ask=True)
            for walk in walks:
                settled = settled and walk.rows is not None
                if source is not None and settled and walk.rows is not None:
                    outcome = source.settle(walk.index, walk.rows, walk.error)
                    walk.rows, walk.error = outcome.rows, outcome.error
                self._count(walk)

    def _count(self, walk: Walk) -> None:
        sums = self.sums
        sums.rows += 1
        if walk.error is not None:
            self._counts.failed += 1
            self._counts.reasons[str(walk.error)] += 1
        elif sums.sample is None:
            made = walk.rows[0] if walk.rows else walk.row
            sums.sample = dict(made)
        jobs = {job.id: job for job in walk.jobs if job.id in walk.missing}
        sums.rows_open += bool(jobs)
        for job in jobs.values():
            self._expect(job, 1)

    def _expect(self, job: Job, times: int) -> None:
        sums, request = self.sums, job.request
        sums.remaining += times
        sums.missing[request.worker, request.makes] += times
        sums.most += self._budget.most(job) * times
        about = self._budget.about(job)
        if about is not None:
            sums.listed[request.worker] += times
            sums.listed_cost[request.worker] = sums.listed_cost.get(request.worker, 0.0) + about * times

    def _about(self) -> tuple[float, int]:
        """What the missing requests usually cost, and how many of them that leaves out."""
        sums, about, unknown = self.sums, 0.0, 0
        for name, wanted in self._wanted().items():
            if sums.known[name]:  # what answers of this step have cost is better than a list
                about += sums.known_cost[name] / sums.known[name] * wanted
            else:
                about += sums.listed_cost.get(name, 0.0)
                unknown += wanted - sums.listed[name]
        return about, unknown

    def _wanted(self) -> Counter[str]:
        """Missing requests by worker, of those that charge."""
        wanted: Counter[str] = Counter()
        for (name, _), times in self.sums.missing.items():
            if name in self._budget.priced:
                wanted[name] += times
        return wanted

    def up_to(self, rows: int, sample: Row) -> None:
        """Count rows that are not made yet: as many as the step before may write, each like the sample."""
        before = self.sums
        self.sums = _Sums(rows, before.answered, rows_open=rows, known=before.known, known_cost=before.known_cost)
        self.sums.sample = {**sample, **({self._recipe.output: []} if self._recipe.output else {})}
        for request in _first_wave(self._recipe, sample):
            self._expect(Job("00" * 16, request), rows)

    def summary(self, *, up_to: bool, rate: float, money: tuple[int, int, str]) -> Summary:
        """What was counted."""
        sums, workers = self.sums, self._recipe.workers
        seconds = 0.0
        for (name, makes), times in sums.missing.items():
            worker = workers[name]
            width = max(1, (worker.limits.width - worker.batching.ahead) * worker.placement.processes)
            seconds += times * _SECONDS[makes] / min(width, times)
        about, unknown = self._about()
        spent, unsure, currency = money
        estimate = Estimate(
            remaining=sums.remaining,
            answered=sums.answered,
            up_to=up_to,
            charged=bool(self._wanted()),
            most=sums.most / NANO,
            about=about / NANO,
            unknown=unknown,
            seconds=sums.rows_open / rate if rate else seconds,
            measured=bool(rate),
            assumed=tuple(sorted({_SECONDS[makes] for _, makes in sums.missing})),
        )
        return Summary(
            step=self._step.number,
            target=str(self._step.target),
            rows=sums.rows,
            failed=self._counts.failed,
            reasons=dict(self._counts.reasons),
            requests=0,
            reused=sums.answered,
            adopted=self._counts.adopted,
            lost=self._counts.lost,
            maybe_paid=0,
            seconds=0.0,
            pictures=0,
            currency=currency,
            spent=spent / NANO,
            unsure=unsure / NANO,
            estimate=estimate,
        )


def rehearse(recipe: Recipe, step: Step, budget: Budget) -> Summary:
    """Count what a step would ask, and what that would cost; its `estimate` says it.

    Raises:
        ConfigError: settings, input file or columns are wrong, as in a run.
    """
    earlier = step.expected.get(step.number - 1)
    there = earlier is None or (earlier.complete and step.source.exists())
    run = _Rehearsal(recipe, step, budget)
    folder = Path(step.cache_path).expanduser()
    with ExitStack() as stack:
        if not CacheFolder(folder).journal.exists():
            folder = Path(stack.enter_context(TemporaryDirectory()))  # nothing was answered, and nothing is left behind
        journal = stack.enter_context(Journal.opened(folder))
        if there or step.source.exists():
            if there:
                check_source(step, recipe)
            run.exactly(journal)
        known = journal.index.money
        money = (known.spent, known.unsure + known.reserved, known.currency if budget.priced or known.committed else "")
    if not there:
        assert earlier is not None
        run.up_to(earlier.rows, earlier.sample)
    sums = run.sums
    for name in {worker for worker, _ in sums.missing}:
        if name in budget.priced:
            recipe.workers[name].prepare()  # an address and a key; what prepares a local model downloads it
    step.expected[step.number] = Expected(sums.rows, there and not sums.remaining, sums.sample or {})
    rate = rows_per_second(Path(step.cache_path).expanduser(), step.target.name)
    return run.summary(up_to=not there, rate=rate, money=money)


def total_of(summaries: Sequence[Summary]) -> str:
    """The dry runs of a pipeline's steps together, in one line."""
    found = [(summary.currency, summary.estimate) for summary in summaries if summary.estimate is not None]
    remaining = sum(estimate.remaining for _, estimate in found)
    charged = [(currency, estimate) for currency, estimate in found if estimate.charged and estimate.remaining]
    answered = sum(estimate.answered for _, estimate in found)
    parts = [f"in all {count_of(remaining, 'request')} to send, {answered:,} answered already"]
    if charged:
        known = all(estimate.about and not estimate.unknown for _, estimate in charged)
        about = round(sum(estimate.about for _, estimate in charged) * NANO)
        most = round(sum(estimate.most for _, estimate in charged) * NANO)
        if known:
            parts.append(f"about {show_amount(about, charged[0][0])}")
        if all(estimate.most for _, estimate in charged):
            parts.append(f"at most {show_amount(most, charged[0][0], up=True)} before retries")
        elif most:
            parts.append(f"at most {show_amount(most, charged[0][0], up=True)} before retries for what has a price")
        elif not known:
            parts.append(NO_PRICE)
    parts.append(f"about {duration(sum(estimate.seconds for _, estimate in found))}; nothing was sent")
    return ", ".join(parts)


def _first_wave(recipe: Recipe, sample: Row) -> Sequence[Request]:
    """What a row like the sample would ask first; columns that are not made yet are stood in for."""
    missing = [column for column in recipe.inputs if is_empty(sample.get(column))]
    for values in product(_STAND_INS, repeat=len(missing)):
        row = {**sample, **dict(zip(missing, values, strict=True))}
        if recipe.output is not None and recipe.output not in recipe.inputs:
            row.pop(recipe.output, None)
        try:
            wave = next(recipe.steps(row))
        except (StopIteration, RowError, AnswerError):
            continue
        if wave:
            return wave
    return [Request("x" * 200, worker=name) for name in recipe.workers][:1]
