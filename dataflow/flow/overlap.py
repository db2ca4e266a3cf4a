"""Steps that run at once, in `with storage.overlapped():`, each in a thread of its own.

Steps are collected where their operators are run, and begin together: at the end of the block, or where something
waits for one of them. So what is wrong with any of them shows before the first request of all. The file in the making
between two steps is the queue (`following.py`). Where that is no jsonl, or the step compares the rows that come in, it
waits for the whole file: rows that were converted are not what was written. A step whose model needs the GPU of an
earlier one waits for that one's end: both at once would load and unload their weights all the time.

The thread of the block listens for signals, shows the progress of all steps, and raises the first error; any error
stops all steps, which wait for what they have in flight.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self, cast

from dataflow.core.words import count_of
from dataflow.errors import ConfigError, DataflowError, Interrupted
from dataflow.flow.awaited import Awaited
from dataflow.flow.counts import Counts
from dataflow.flow.preflight import Found, check_columns, check_source
from dataflow.flow.progress import Progress
from dataflow.flow.signals import Signals
from dataflow.flow.step_run import StepRun
from dataflow.flow.summary import Summary

_LOOK = 0.1  # seconds between two looks at signals and counts, by the thread that waits
_HURRY = 1.0  # seconds that the threads of steps have left after a second signal


class Overlap:
    """The steps of one block.

    Args:
        signals: that stop them.

    Attributes:
        is_open: steps may be added.
    """

    def __init__(self, signals: Signals) -> None:
        self.is_open = True
        self._signals = signals
        self._owner = threading.get_ident()
        self._change = threading.Condition()  # of all that follows
        self._runs: dict[int, StepRun] = {}
        self._collected: list[StepRun] = []  # not begun
        self._columns: dict[int, frozenset[str] | None] = {}  # that come out of a step
        self._running: set[int] = set()
        self._opened: set[int] = set()
        self._error: BaseException | None = None
        self._passed_on = 0
        self._cut_off = float("inf")

    @classmethod
    @contextmanager
    def block(cls) -> Iterator[Self]:
        """The block's steps are complete at its end.

        Raises:
            DataflowError: the first that stopped a step, as `run_step` says; of an exception in the block, that one.
        """
        with Signals.listening() as signals:
            overlap = cls(signals)
            try:
                with signals.at_once():
                    yield overlap
                    overlap.await_all()
            except BaseException as error:
                overlap._stop(error)
                overlap._wait(lambda: not overlap._running)
                first = overlap._said_of(error)
                if first is error:
                    raise
                raise first from None if isinstance(first, Interrupted) else error
            finally:
                overlap.is_open = False
                for run in overlap._runs.values():
                    run.beside.rows.close()

    def add(self, run: StepRun) -> Summary:
        """Have a step run with the others; what it returns stands for its summary.

        Raises:
            ConfigError: the step is one of the block's already.
        """
        number = run.step.number
        if number in self._runs:
            raise ConfigError(f"step {number} runs already: call storage.step() once for each run(...) of the block")
        run.signals = Signals.passed_on()
        run.step.use.state = "running"
        self._runs[number] = run
        self._collected.append(run)
        return cast(Summary, Awaited(partial(self._summary_of, run)))

    def holds(self, number: int) -> bool:
        """Whether this step is one of the block's."""
        return number in self._runs

    def await_step(self, number: int) -> None:
        """Return when this step is complete, or none of the block's.

        Raises:
            DataflowError: what stopped the steps.
        """
        run = self._runs.get(number)
        if run is not None and run.summary is None:
            self._begin()
            self._await(run)

    def await_all(self) -> None:
        """Return when all steps so far are complete.

        Raises:
            DataflowError: what stopped the steps.
        """
        self._begin()
        self._wait(lambda: not self._running)
        if self._error is not None:
            raise self._error

    def _summary_of(self, run: StepRun) -> Summary:
        self.await_step(run.step.number)
        assert run.summary is not None
        return run.summary

    def _await(self, run: StepRun) -> None:
        self._wait(lambda: run.summary is not None or self._error is not None)
        if run.summary is None and self._error is not None:
            raise self._error

    def _begin(self) -> None:
        """Begin the steps that were collected, if nothing is wrong with any of them.

        Raises:
            ConfigError: something is, and nothing was spent for these.
        """
        with self._change:
            if self._error is not None:
                raise self._error
            runs = self._collected
            for run in runs:
                self._look_through(run)
            self._collected = []
            self._running |= {run.step.number for run in runs}
        for run in runs:
            threading.Thread(target=self._run, args=(run,), name=f"dataflow-step{run.step.number}").start()

    def _look_through(self, run: StepRun) -> None:
        """Look at what can be wrong with a step, and whom it follows; one that waits for its file begins later."""
        recipe, step, number = run.recipe, run.step, run.step.number
        before = self._runs.get(number - 1)
        columns = self._columns.get(number - 1)
        run.beside.opened = partial(self._await_gpus, run)
        run.beside.cost_behind = partial(self._cost_behind, number)
        if before is None or before.summary is not None:
            found = check_source(step, recipe, for_others=True)
            columns = found.columns
            run.begin(found)
        else:
            check_columns(step, recipe, columns)
            if recipe.source is None and step.cache_type == "jsonl":
                before.beside.rows.is_followed = True
                run.beside.follows = before.beside.rows
                run.begin(Found(before.beside.rows.expected))
        made = {*recipe.makes, *recipe.also, *filter(None, (recipe.output,))}
        self._columns[number] = None if columns is None else columns | made

    def _run(self, run: StepRun) -> None:
        """The thread of a step."""
        number = run.step.number
        try:
            with run.step.running():
                if run.counts is None:
                    self._await(self._runs[number - 1])
                    run.begin(check_source(run.step, run.recipe))
                run.summary = run.to_the_end({})
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            self._stop(error)
        with self._change:
            if run.counts is not None:
                run.counts.is_over = True
            self._running.discard(number)
            self._change.notify_all()

    def _stop(self, error: BaseException) -> None:
        """Let no step start anything any more; the first error is the one that is raised."""
        with self._change:
            self._error = self._error or error
            ours = isinstance(self._error, DataflowError)
            why = (
                f"stopped, since the steps at the same time were: {self._error if ours else type(self._error).__name__}"
            )
            for number in self._running:
                self._runs[number].signals.end(why)
            self._change.notify_all()

    def _said_of(self, error: BaseException) -> BaseException:
        """What is raised for an error that ended the block."""
        first = self._error or error
        if not isinstance(first, Interrupted) or not self._signals.received:
            return first
        done = [(run, run.counts.rows_done) for run in self._runs.values() if run.counts is not None]
        self._signals.done = ", ".join(f"{count_of(rows, 'row')} of step {run.step.number}" for run, rows in done)
        return self._signals.interrupted()

    def _await_gpus(self, run: StepRun) -> None:
        """Return when no earlier step holds the GPUs that this one's models need, or may hold them yet."""
        assert run.counts is not None

        def rivals() -> list[StepRun]:
            earlier = [self._runs[number] for number in self._running if number < run.step.number]
            return [each for each in earlier if each.step.number not in self._opened or _needs_gpus(each)]

        def may_ask() -> bool:
            if self._error is not None or run.signals.stop:
                return True
            others = rivals()
            if any(each.step.number not in self._opened for each in others):
                return False
            workers = {worker for each in (*others, run) for worker in each.recipe.workers.values()}
            return not others or run.executor.has_gpus(sum(map(run.executor.gpus_of, workers)))

        with self._change:
            self._opened.add(run.step.number)
            self._change.notify_all()
            if _needs_gpus(run) and not may_ask():
                run.counts.pause = "waits until earlier steps need no GPU"
                self._change.wait_for(may_ask)

    def _cost_behind(self, number: int) -> int:
        runs = [*self._runs.items()]
        return sum(run.counts.cost for at, run in runs if at > number and run.counts is not None)

    def _wait(self, over: Callable[[], bool]) -> None:
        """Return when it is over; the thread of the block shows progress meanwhile, and passes signals on."""
        if threading.get_ident() != self._owner:
            with self._change:
                self._change.wait_for(lambda: over() or self._error is not None)
            return
        with self._signals.noted():
            while not self._is_over(over):
                shown = self._shown()
                with Progress(shown) as progress:
                    while not self._is_over(over) and self._shown().keys() <= shown.keys():
                        with self._change:
                            if not over():
                                self._change.wait(_LOOK)
                        self._pass_signals_on()
                        progress.tick()

    def _shown(self) -> dict[str, Counts]:
        with self._change:
            running = [self._runs[number] for number in sorted(self._running)]
        return {run.name: run.counts for run in running if run.counts is not None}

    def _is_over(self, over: Callable[[], bool]) -> bool:
        with self._change:
            return over() or time.monotonic() > self._cut_off

    def _pass_signals_on(self) -> None:
        received = self._signals.received[self._passed_on :]
        if not received:
            return
        self._passed_on += len(received)
        if self._passed_on > 1:
            self._cut_off = min(self._cut_off, time.monotonic() + _HURRY)
        with self._change:
            for run in [self._runs[number] for number in self._running]:
                for number in received:
                    run.signals.pass_on(number)
            self._change.notify_all()


def _needs_gpus(run: StepRun) -> bool:
    return any(map(run.executor.gpus_of, run.recipe.workers.values()))
