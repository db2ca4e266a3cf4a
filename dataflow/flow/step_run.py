"""One run of one step: what is looked at before, the pass over its rows, and the names of its files at the end."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from dataflow.core.words import sentence
from dataflow.errors import StepFailed
from dataflow.flow.counts import Counts
from dataflow.flow.following import Beside, RowsSoFar
from dataflow.flow.one_pass import Pass
from dataflow.flow.preflight import Found, changed, check_source, source_state
from dataflow.flow.progress import Progress
from dataflow.flow.recipe import Recipe
from dataflow.flow.side_outputs import warn_of_no_ops
from dataflow.flow.signals import Signals
from dataflow.flow.status_file import StatusFile, begin_counts, count_replaced
from dataflow.flow.summary import Summary, describe_step, snapshot
from dataflow.journal.journal import Journal
from dataflow.money.budget import make_budget
from dataflow.money.ledger import Ledger
from dataflow.pools.executor import LocalExecutor
from dataflow.utils.figures import read_figures
from dataflow.utils.step_writer import StepWriter
from dataflow.utils.storage import Step


class StepRun:
    """One run of one step. Its methods run in one thread, after `begin`, which may run in another.

    Args:
        recipe: of the step.
        step: that runs.
        executor: has the pools.
        lookahead: rows that may be unanswered at once.

    Attributes:
        signals: that stop it.
        beside: what it has to do with steps that run at the same time.
        counts: of the run; None until it has begun.
        summary: what it came to; None until it is complete.
    """

    def __init__(self, recipe: Recipe, step: Step, executor: LocalExecutor, lookahead: int) -> None:
        self.recipe, self.step, self.executor = recipe, step, executor
        self.signals = Signals()
        self.beside = Beside(RowsSoFar(step.target))
        self.counts: Counts | None = None
        self.summary: Summary | None = None
        self._lookahead = lookahead

    @property
    def name(self) -> str:
        """By which progress is shown."""
        return f"step {self.step.number} {self.recipe.name}"

    def alone(self) -> Summary:
        """Run it where no other step runs; the summary.

        Raises:
            DataflowError: as `run_step` says.
        """
        with self.signals.at_once():
            self.begin(check_source(self.step, self.recipe))
        assert self.counts is not None
        return self.to_the_end({self.name: self.counts})

    def look_ahead(self) -> None:
        """Look at what can be wrong although the file that it waits for is not there.

        Raises:
            ConfigError: settings are wrong.
        """
        make_budget(self.recipe.workers, self.step.options)
        if self.recipe.source is not None:
            check_source(self.step, self.recipe)

    def begin(self, found: Found) -> None:
        """Look at all that can be wrong before the first request.

        Args:
            found: in its source.

        Raises:
            ConfigError: settings are wrong.
        """
        self._source = source_state(self.step.source)
        self._budget = make_budget(self.recipe.workers, self.step.options)
        counts = begin_counts(self.recipe, self.step, found)
        if self.beside.follows is None:
            counts.rows_replaced = count_replaced(self.recipe, self.step, found.rows)
        self.beside.rows.expected = counts.rows_in
        self.counts = counts

    def to_the_end(self, shown: Mapping[str, Counts]) -> Summary:
        """Ask and write until the step's files have their names; the summary.

        Args:
            shown: whose progress is shown meanwhile.

        Raises:
            DataflowError: as `run_step` says.
        """
        counts, step, recipe, signals, beside = self.counts, self.step, self.recipe, self.signals, self.beside
        assert counts is not None
        with Journal.opened(Path(step.cache_path).expanduser(), step.root.expanduser()) as journal:
            others = [journal.save_interval] if journal.shared else []
            journal.save_interval = min([recipe.save_interval, *others])
            ledger = Ledger(journal, self._budget, workers=recipe.workers)
            counts.currency = ledger.currency
            counts.maybe_paid = journal.maybe_paid if beside.follows is None else 0  # the first step tells them
            take = partial(self._take, counts, ledger, counts.cost_elsewhere)
            with StatusFile(step, take) as status, step.writer(recipe.sides) as writer:
                beside.rows.open(writer)
                with signals.at_once():
                    run = Pass(
                        *(recipe, step, journal, writer, counts, ledger, self.executor, self._lookahead),
                        signals=signals,
                        beside=beside,
                    )
                with Progress(shown) as progress:
                    run.to_the_end(progress, status)
                self._look_again(counts)
                journal.sync()
                summary = take()
                with signals.at_once():
                    failure = _complete(recipe, step, writer, summary, ledger, run)
        if failure is not None:
            raise failure
        beside.rows.complete(counts.rows)
        return summary

    def _take(self, counts: Counts, ledger: Ledger, elsewhere: int) -> Summary:
        """A snapshot; what later steps spend meanwhile is nothing that this one's file depends on."""
        counts.cost_elsewhere = elsewhere + self.beside.cost_behind()
        return snapshot(self.step, self.recipe, counts, ledger)

    def _look_again(self, counts: Counts) -> None:
        """At the end of the pass.

        Raises:
            ConfigError: the source changed meanwhile.
        """
        if self.beside.follows is not None:
            counts.rows_replaced = count_replaced(self.recipe, self.step, counts.rows_in)
        elif source_state(self.step.source) != self._source:
            raise changed(str(self.step.source))


def _complete(
    recipe: Recipe, step: Step, writer: StepWriter, summary: Summary, ledger: Ledger, run: Pass
) -> StepFailed | None:
    """Give the step's files their names; what there is to raise once they are closed.

    Raises:
        StepFailed: every row failed, and what was not judged must not look accepted.
    """
    why = sentence(f"every row of step {step.number} failed, see {step.errors}: {summary.why}")
    said = " ".join([why, ", ".join(summary.cost_in_words)]).strip()  # an error leaves no summary to tell the cost
    failure = StepFailed(said) if run.every_row_failed else None
    if failure is not None and recipe.output is None and recipe.source is None:
        writer.give_up()  # a step file without rows would say that all were judged, and none accepted
        raise failure
    warn_of_no_ops(summary.sides)
    writer.commit(describe_step(recipe, summary, ledger, run.fingerprints, read_figures(step.meta)))
    return failure
