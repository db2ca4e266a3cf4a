"""`run_step`, the entry to the loop: plans and runs one step, alone or in an overlapped block (see `overlap.py`)."""

from dataclasses import replace

from dataflow.core.process_exit import ends_in_one_line
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
    """Run one step to its end; requests that an earlier run has answers to are not sent again.

    With `FileStorage(dry_run=True)` nothing is asked or written: the summary's `estimate` says what a run would ask.
    Within `storage.overlapped()` the call returns at once, and reading the summary that it returns waits for the step.

    Args:
        recipe: what the step does.
        storage: a step, or a storage whose current step runs.
        executor: has the pools of the workers; None: the executor that the environment's `DF_EXECUTOR` names.
        lookahead: most rows that may wait for answers at once; a worker's `Limits.lookahead` may raise it.

    Returns:
        The figures of the run.

    Raises:
        ConfigError: settings, input file or columns are wrong; nothing was spent.
        FatalAnswer: no request can succeed; what was answered is kept.
        NotStored: a disk is full, nearly full or read-only; the message says how many answers were lost.
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
        return run.run_alone()
