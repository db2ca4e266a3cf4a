"""Steps that run at once, in `with storage.overlapped():`, each in a thread of its own.

`run()` of an operator only adds its step to the block. The steps begin together, at the end of the block or where the
caller waits for one of them, so that wrong settings of any step show before the first request of all steps. The file in
the making of a step is the queue to the step behind (`following.py`). A step waits for the complete file instead where
the cache type is not jsonl, since another type is converted at the end, and where the step compares its rows.

A step whose model needs the GPU of an earlier step's model waits until that step has ended: side by side, both would
load and unload their weights all the time. The same goes for one CPU: two models on it are no faster, and the rows of a
batch would depend on chance.

The thread of the block listens for signals, shows the progress of all steps and raises the first error. Any error stops
all steps; each waits for its requests in flight.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Self, cast

from dataflow.core.words import count_of
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError, Interrupted
from dataflow.flow.counts import Counts
from dataflow.flow.pending_summary import Awaited
from dataflow.flow.preflight import Found, check_columns, check_source
from dataflow.flow.progress import Progress
from dataflow.flow.signals import Signals
from dataflow.flow.step_run import StepRun
from dataflow.flow.summary import Summary

_LOOK = 0.1  # seconds after which the waiting thread looks at signals and counts again
_HURRY = 1.0  # seconds that the threads of steps have to end after a second signal


class Overlap:
    """The steps of one overlapped block.

    Args:
        signals: stop all steps.

    Attributes:
        is_open: whether the block has not ended, so that steps may be added.
    """

    def __init__(self, signals: Signals) -> None:
        self.is_open = True
        self._signals = signals
        self._owner = threading.get_ident()
        self._change = threading.Condition()  # guards and announces changes of the fields below
        self._runs: dict[int, StepRun] = {}  # keyed by the number of the step, as all fields below
        self._collected: list[StepRun] = []  # runs that were added and have no thread yet
        self._columns: dict[int, frozenset[str] | None] = {}  # columns of the rows that a step writes; None: not known
        self._running: set[int] = set()
        self._prepared: set[int] = set()  # steps that would ask: their workers are prepared
        self._error: BaseException | None = None  # the first
        self._passed_on = 0  # how many of the received signals the steps have
        self._cut_off = float("inf")  # when nobody waits for the threads any more, on the monotonic clock

    @classmethod
    @contextmanager
    def block(cls) -> Iterator[Self]:
        """A context manager at whose end all steps of the block are complete.

        Raises:
            DataflowError: the first error that stopped a step, as `run_step` says. An exception that the caller raises
                within the block stops all steps and is raised itself.
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
                first = overlap._error_to_raise(error)
                if first is error:
                    raise
                raise first from None if isinstance(first, Interrupted) else error
            finally:
                overlap.is_open = False
                for run in overlap._runs.values() if not overlap._running else ():
                    run.links.own_rows.close()

    def add(self, run: StepRun) -> Summary:
        """Add a step to the block.

        Returns:
            What stands for the summary of the step and waits for the step when it is read (`Awaited`).

        Raises:
            ConfigError: the block has this step already.
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
        """Whether the block has the step of this number."""
        return number in self._runs

    def await_step(self, number: int) -> None:
        """Wait until the step of this number is complete; returns at once if the block has no such step.

        Raises:
            DataflowError: the error that stopped the steps.
        """
        run = self._runs.get(number)
        if run is not None and run.summary is None:
            self._begin()
            self._await(run)

    def await_all(self) -> None:
        """Wait until all steps that were added so far are complete.

        Raises:
            DataflowError: the error that stopped the steps.
        """
        self._begin()
        self._wait(lambda: not self._running)
        self._go_on()

    def _summary_of(self, run: StepRun) -> Summary:
        self.await_step(run.step.number)
        assert run.summary is not None
        return run.summary

    def _await(self, run: StepRun) -> None:
        self._wait(lambda: run.summary is not None or self._error is not None)
        if run.summary is None or self._is_owner:
            self._go_on()

    def _go_on(self) -> None:
        """Raise what stopped the steps, if anything did."""
        if self._error is not None:
            raise self._error
        self._signals.check()

    @property
    def _is_owner(self) -> bool:
        """Whether this is the thread of the block, which listens for signals and shows progress."""
        return threading.get_ident() == self._owner

    def _begin(self) -> None:
        """Check all collected steps, then start a thread for each of them.

        Raises:
            ConfigError: a step has wrong settings; none of the collected steps has sent a request.
        """
        with self._change:
            if self._error is not None:
                raise self._error
            for run in sorted(self._collected, key=lambda run: run.step.number):  # each is linked to the one before
                self._check_and_link(run)
            # Signals are only noted meanwhile: a step is in `_running` if and only if its thread was started.
            with self._signals.noted() if self._is_owner else nullcontext():
                while self._collected:
                    run = self._collected[0]
                    threading.Thread(target=self._run, args=(run,), name=f"dataflow-step{run.step.number}").start()
                    self._running.add(self._collected.pop(0).step.number)

    def _check_and_link(self, run: StepRun) -> None:
        """Check a step before its first request and link it to the step before.

        A step that waits for the complete file of the step before is only checked as far as it can be without that
        file; its own thread does the rest once the file is there.
        """
        recipe, step, number = run.recipe, run.step, run.step.number
        before = self._runs.get(number - 1)
        columns = self._columns.get(number - 1)
        run.links.await_devices = partial(self._await_devices, run)
        run.links.cost_of_later_steps = partial(self._cost_of_later_steps, number)
        if before is None or before.summary is not None:
            found = check_source(step, recipe, for_others=True)
            columns = found.columns
            run.begin(found)
        else:
            check_columns(step, recipe, columns)
            if recipe.source is None and step.cache_type == "jsonl":
                before.links.own_rows.is_followed = True
                run.links.source_rows = before.links.own_rows
                run.links.finishes_first = self._shares_worker(run)
                run.begin(Found(before.links.own_rows.expected))
            else:
                run.check_settings()
        new = {*recipe.makes, *recipe.also, *filter(None, (recipe.output,))}
        self._columns[number] = None if columns is None else columns | new

    def _shares_worker(self, run: StepRun) -> bool:
        """Whether an earlier step of the block asks a worker that this step asks too."""
        earlier = [before for number, before in self._runs.items() if number < run.step.number]
        return any(not {*before.recipe.workers.values()}.isdisjoint(run.recipe.workers.values()) for before in earlier)

    def _run(self, run: StepRun) -> None:
        """Run a step to its end, in its own thread."""
        number = run.step.number
        try:
            with run.step.running():
                if run.counts is None:
                    self._await(self._runs[number - 1])
                    run.begin(check_source(run.step, run.recipe))
                run.summary = run.to_the_end({})
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the block
            self._stop(error)
        with self._change:
            if run.counts is not None:
                run.counts.is_over = True
            self._running.discard(number)
            self._change.notify_all()

    def _stop(self, error: BaseException) -> None:
        """Stop all steps: none sends another request. The first error is kept, and raised at the end of the block."""
        with self._change:
            self._error = self._error or error
            is_ours = isinstance(self._error, DataflowError)
            why = f"another step ended the run: {self._error if is_ours else type(self._error).__name__}"
            for number in self._running:
                self._runs[number].signals.end(why)
            self._change.notify_all()

    def _error_to_raise(self, error: BaseException) -> BaseException:
        """The error to raise when `error` ended the block: the first one, or for a signal what all steps have done."""
        first = self._error or error
        if not isinstance(first, Interrupted) or not self._signals.received:
            return first
        done = [(run, run.counts.rows_done) for run in self._runs.values() if run.counts is not None]
        self._signals.done = ", ".join(f"{count_of(rows, 'row')} of step {run.step.number}" for run, rows in done)
        return self._signals.interrupted()

    def _await_devices(self, run: StepRun) -> None:
        """Wait until no earlier step holds, or may still ask for, the devices that this step's models need."""
        assert run.counts is not None
        run.signals.elsewhere(partial(self._prepare_behind, run.step.number))

        def may_ask() -> bool:
            if self._error is not None or run.signals.stop:
                return True
            earlier = [self._runs[number] for number in self._running if number < run.step.number]
            asking = {before.step.number: before for before in earlier if before.recipe.workers}
            return self._prepared.issuperset(asking) and not _compete(run, [*asking.values()])

        with self._change:
            self._prepared.add(run.step.number)
            self._change.notify_all()
            if _has_devices(run, *run.recipe.workers.values()) and not may_ask():
                run.counts.pause, began = "waits until earlier steps need its device no more", time.monotonic()
                self._change.wait_for(may_ask)
                run.counts.started += time.monotonic() - began  # its summary gives the speed without the wait

    def _prepare_behind(self, number: int) -> None:
        """Open the pools of later steps' workers that charge, so that a missing key shows before the first request.

        A worker that charges is an API, so this downloads no model.

        Raises:
            ConfigError: a setting is missing or wrong.
        """
        with self._change:
            later = [self._runs[running] for running in self._running if running > number]
        for run in later:
            for worker in run.recipe.workers.values():
                if worker.billing() is not None:
                    run.executor.pool(worker)

    def _cost_of_later_steps(self, number: int) -> int:
        """The costs of all later steps in this run so far, in billionths of the currency."""
        runs = [*self._runs.values()]  # a copy: the thread of the block may add a step meanwhile
        return sum(run.counts.cost for run in runs if run.step.number > number and run.counts is not None)

    def _wait(self, over: Callable[[], bool]) -> None:
        """Wait until `over` returns True; the thread of the block shows progress and passes signals on meanwhile."""
        if not self._is_owner:
            with self._change:
                self._change.wait_for(over)
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
        """Name → counts, of the steps that run."""
        with self._change:
            running = [self._runs[number] for number in sorted(self._running)]
        return {run.name: run.counts for run in running if run.counts is not None}

    def _is_over(self, over: Callable[[], bool]) -> bool:
        with self._change:
            return over() or time.monotonic() > self._cut_off

    def _pass_signals_on(self) -> None:
        """Pass new signals on to the steps; after the second one their threads have a second to end."""
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


def _has_devices(run: StepRun, *workers: Worker) -> bool:
    """Whether the executor of a run places one of these workers on a GPU or a named device."""
    places = [run.executor.placement_of(worker) for worker in workers]
    return any(place.gpus or place.devices for place in places)


def _compete(run: StepRun, earlier: Sequence[StepRun]) -> bool:
    """Whether models of a step and of earlier steps cannot run side by side; a shared model is no rival."""
    own = {*run.recipe.workers.values()}
    earlier_workers = {worker for before in earlier for worker in before.recipe.workers.values()}
    rivals = {worker for worker in earlier_workers - own if _has_devices(run, worker)}
    place = run.executor.placement_of
    devices = {device for worker in own for device in place(worker).devices}
    if any(devices.intersection(place(worker).devices) for worker in rivals):
        return True
    return bool(rivals) and not run.executor.has_gpus(sum(place(worker).gpus for worker in own | rivals))
