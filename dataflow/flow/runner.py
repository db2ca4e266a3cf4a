"""`run_step`: the one way that takes a step from its source to its file; `one_pass.py` has its loop."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from dataflow.core.leaving import ends_in_one_line
from dataflow.core.words import sentence
from dataflow.errors import StepFailed
from dataflow.flow.asides import warn_of_no_ops
from dataflow.flow.dry_run import rehearse
from dataflow.flow.one_pass import Pass
from dataflow.flow.preflight import changed, source_state
from dataflow.flow.progress import Progress
from dataflow.flow.recipe import Recipe
from dataflow.flow.signals import Signals
from dataflow.flow.status_file import StatusFile, begin_counts
from dataflow.flow.summary import Summary, describe_step, snapshot
from dataflow.journal.journal import Journal
from dataflow.money.budget import make_budget
from dataflow.money.ledger import Ledger
from dataflow.pools.executor import LocalExecutor, default_executor
from dataflow.utils.figures import read_figures
from dataflow.utils.step_writer import StepWriter
from dataflow.utils.storage import FileStorage, Step


@ends_in_one_line()
def run_step(
    recipe: Recipe,
    storage: FileStorage | Step,
    *,
    executor: LocalExecutor | None = None,
    lookahead: int = 10_000,
) -> Summary:
    """Run one step to its end, asking only what no earlier run was answered.

    With `FileStorage(dry_run=True)` nothing is asked or written: the summary's `estimate` says what a run would ask.

    Args:
        recipe: what the step does.
        storage: where it reads and writes.
        executor: has the workers' pools; None: as `DF_EXECUTOR` says.
        lookahead: rows that may be unanswered at once.

    Raises:
        ConfigError: settings, input file or columns are wrong; nothing was spent.
        FatalAnswer: no request can succeed; what was answered is kept.
        NotStored: a disk is full or nearly so, or read-only; says how many answers that cost.
        MaxCostReached: `max_cost` leaves no room for the next request; what was answered is kept.
        StepFailed: every row failed; a filter then leaves no step file.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; what was answered is kept.
    """
    step = storage.current if isinstance(storage, FileStorage) else storage
    options = step.options
    executor = executor or default_executor()
    recipe = replace(
        recipe,
        overwrite=recipe.overwrite or options.overwrite,
        retry_rejected=recipe.retry_rejected or options.retry_rejected,
    )
    with Signals.listening() as signals:
        if options.dry_run:
            with signals.at_once():
                return rehearse(recipe, step, make_budget(recipe.workers, options))
        with step.running():
            return _run_step(recipe, step, executor, lookahead, signals)


def _run_step(recipe: Recipe, step: Step, executor: LocalExecutor, lookahead: int, signals: Signals) -> Summary:
    with signals.at_once():
        source = source_state(step.source)
        budget = make_budget(recipe.workers, step.options)
        counts = begin_counts(recipe, step)
    with Journal.opened(Path(step.cache_path).expanduser()) as journal:
        journal.save_interval = recipe.save_interval
        ledger = Ledger(journal, budget, workers=recipe.workers)
        counts.currency, counts.maybe_paid = ledger.currency, journal.maybe_paid
        take = partial(snapshot, step, recipe, counts, ledger)
        with StatusFile(step, take) as status, step.writer(recipe.sides) as writer:
            with signals.at_once():
                run = Pass(recipe, step, journal, writer, counts, ledger, executor, lookahead, signals)
            with Progress(f"step {step.number} {recipe.name}", counts) as progress:
                run.to_the_end(progress, status)
            if source_state(step.source) != source:
                raise changed(str(step.source))
            journal.sync()
            summary = take()
            with signals.at_once():
                failure = _complete(recipe, step, writer, summary, ledger, run)
    if failure is not None:
        raise failure
    return summary


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
