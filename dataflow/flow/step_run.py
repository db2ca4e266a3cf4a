"""One run of one step: the checks before its first request, the pass over its rows, and the commit of its files."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from dataflow.core.words import sentence
from dataflow.errors import StepFailed
from dataflow.flow.counts import Counts
from dataflow.flow.following import Links, RowsSoFar
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
    """One run of one step. `begin` may run in another thread than the methods that follow it.

    Args:
        recipe: what the step does.
        step: where it reads and writes.
        executor: has the pools of the workers.
        lookahead: rows that may be unanswered at once.

    Attributes:
        signals: stop the run.
        links: to the steps that run at the same time.
        counts: the figures of the run; None until `begin`.
        summary: the figures of the complete run; None until then.
    """

    def __init__(self, recipe: Recipe, step: Step, executor: LocalExecutor, lookahead: int) -> None:
        self.recipe, self.step, self.executor = recipe, step, executor
        self.signals = Signals()
        self.links = Links(RowsSoFar(step.target))
        self.counts: Counts | None = None
        self.summary: Summary | None = None
        self._lookahead = lookahead

    @property
    def name(self) -> str:
        """The name under which progress is shown, such as `step 1 PromptedImageGenerator`."""
        return f"step {self.step.number} {self.recipe.name}"

    def run_alone(self) -> Summary:
        """Check and run the step while no other step runs.

        Raises:
            DataflowError: as `run_step` says.
        """
        with self.signals.at_once():
            self.begin(check_source(self.step, self.recipe))
        assert self.counts is not None
        return self.to_the_end({self.name: self.counts})

    def check_settings(self) -> None:
        """Check all that can be checked before the file exists that the step reads.

        Raises:
            ConfigError: settings are wrong.
        """
        make_budget(self.recipe.workers, self.step.options)
        if self.recipe.source is not None:
            check_source(self.step, self.recipe)

    def begin(self, found: Found) -> None:
        """Check settings and begin the counts; nothing is asked.

        Args:
            found: what `check_source` found in the step's source.

        Raises:
            ConfigError: settings are wrong.
        """
        self._source = source_state(self.step.source)
        self._budget = make_budget(self.recipe.workers, self.step.options)
        counts = begin_counts(self.recipe, self.step, found)
        if self.links.source_rows is None:
            counts.rows_replaced = count_replaced(self.recipe, self.step, found.rows)
        self.links.own_rows.expected = counts.rows_in
        self.counts = counts

    def to_the_end(self, shown: Mapping[str, Counts]) -> Summary:
        """Ask and write until the step's files have their final names.

        Args:
            shown: name → counts, of the runs whose progress this thread shows meanwhile.

        Raises:
            DataflowError: as `run_step` says.
        """
        counts, step, recipe, signals, links = self.counts, self.step, self.recipe, self.signals, self.links
        assert counts is not None
        with Journal.opened(Path(step.cache_path).expanduser(), step.root.expanduser()) as journal:
            of_other_steps = [journal.save_interval] if journal.shared else []
            journal.save_interval = min([recipe.save_interval, *of_other_steps])
            ledger = Ledger(journal, self._budget, workers=recipe.workers)
            counts.currency = ledger.currency
            # Of an overlapped block the first step counts them.
            counts.maybe_paid = journal.maybe_paid if links.source_rows is None else 0
            take = partial(self._take, counts, ledger, counts.cost_elsewhere)
            with StatusFile(step, take) as status, step.writer(recipe.sides) as writer:
                links.own_rows.open(writer)
                with signals.at_once():
                    run = Pass(
                        *(recipe, step, journal, writer, counts, ledger, self.executor, self._lookahead),
                        signals=signals,
                        links=links,
                    )
                with Progress(shown) as progress:
                    run.to_the_end(progress, status)
                self._check_unchanged(counts)
                journal.sync()
                summary = take()
                with signals.at_once():
                    failure = _complete(recipe, step, writer, summary, ledger, run)
        if failure is not None:
            raise failure
        links.own_rows.complete(counts.rows)
        return summary

    def _take(self, counts: Counts, ledger: Ledger, elsewhere: int) -> Summary:
        """Take a snapshot of the figures.

        Args:
            counts: of the run.
            ledger: of the run.
            elsewhere: what steps that this one's file does not depend on had spent when the run began, in billionths;
                what later steps spend meanwhile is added.
        """
        counts.cost_elsewhere = elsewhere + self.links.cost_of_later_steps()
        return snapshot(self.step, self.recipe, counts, ledger)

    def _check_unchanged(self, counts: Counts) -> None:
        """Check at the end of the pass that its source is still what it was when the run began.

        Raises:
            ConfigError: the source changed.
        """
        if self.links.source_rows is not None:
            counts.rows_replaced = count_replaced(self.recipe, self.step, counts.rows_in)
        elif source_state(self.step.source) != self._source:
            raise changed(str(self.step.source))


def _complete(
    recipe: Recipe, step: Step, writer: StepWriter, summary: Summary, ledger: Ledger, run: Pass
) -> StepFailed | None:
    """Give the step's files their final names.

    Returns:
        The error to raise once the files are closed, if every row failed; the files are written all the same.

    Raises:
        StepFailed: every row of a filter failed. No step file is written: a file without rows would look as if the
            filter had judged all rows and accepted none.
    """
    why = sentence(f"every row of step {step.number} failed, see {step.errors}: {summary.why}")
    message = " ".join([why, ", ".join(summary.cost_in_words)]).strip()  # no summary is returned that names the cost
    failure = StepFailed(message) if run.every_row_failed else None
    if failure is not None and recipe.output is None and recipe.source is None:
        writer.give_up()
        raise failure
    warn_of_no_ops(summary.sides)
    writer.commit(describe_step(recipe, summary, ledger, run.fingerprints, read_figures(step.meta)))
    return failure
