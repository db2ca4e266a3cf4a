"""`run_step`: takes a step from its source to its file, alone or beside others; `step_run.py` is one run of it."""

from dataclasses import replace

from dataflow.core.leaving import ends_in_one_line
from dataflow.flow.dry_run import rehearse
from dataflow.flow.overlap import Overlap
from dataflow.flow.recipe import Recipe
from dataflow.flow.signals import Signals
from dataflow.flow.step_run import StepRun
from dataflow.flow.summary import Summary
from dataflow.money.budget import make_budget
from dataflow.pools.executor import LocalExecutor, default_executor
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
    Within `storage.overlapped()` it returns at once, and what it returns waits for the step when it is looked at.

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
    if options.dry_run:
        with Signals.listening() as signals, signals.at_once():
            return rehearse(recipe, step, make_budget(recipe.workers, options))
    run = StepRun(recipe, step, executor, lookahead)
    if isinstance(step.block, Overlap) and step.block.is_open:
        return step.block.add(run)
    with Signals.listening() as run.signals, step.running():
        return run.alone()
