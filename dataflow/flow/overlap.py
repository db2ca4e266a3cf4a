"""Steps that run at once, in `with storage.overlapped():`, each in a thread of its own.

Steps are collected where their operators are run, and begin together: at the end of the block, or where something
waits for one of them. So what is wrong with any of them shows before the first request of all. The file in the making
between two steps is the queue (`following.py`). Where that is no jsonl, or the step compares the rows that come in, it
waits for the whole file: rows that were converted are not what was written. A step whose model needs the GPU of an
earlier one waits for that one's end: both at once would load and unload their weights all the time. So does one on the
same CPU, which is no faster for two, and would put other rows into a batch each time.

The thread of the block listens for signals, shows the progress of all steps, and raises the first error; any error
stops all steps, which wait for what they have in flight.
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
                for run in overlap._runs.values() if not overlap._running else ():
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
        """Go on if nothing has stopped the steps."""
        if self._error is not None:
            raise self._error
        self._signals.check()

    @property
    def _is_owner(self) -> bool:
        return threading.get_ident() == self._owner

    def _begin(self) -> None:
        """Begin the steps that were collected, if nothing is wrong with any of them.

        Raises:
            ConfigError: something is, and nothing was spent for these.
        """
        with self._change:
            if self._error is not None:
                raise self._error
            for run in sorted(self._collected, key=lambda run: run.step.number):  # each looks at the one before
                self._look_through(run)
            with self._signals.noted() if self._is_owner else nullcontext():  # a step that runs has its thread
                while self._collected:  # a thread that cannot be started ends the run, and is not waited for
                    run = self._collected[0]
                    threading.Thread(target=self._run, args=(run,), name=f"dataflow-step{run.step.number}").start()
                    self._running.add(self._collected.pop(0).step.number)

    def _look_through(self, run: StepRun) -> None:
        """Look at what can be wrong with a step, and whom it follows; one that waits for its file begins later."""
        recipe, step, number = run.recipe, run.step, run.step.number
        before = self._runs.get(number - 1)
        columns = self._columns.get(number - 1)
        run.beside.opened = partial(self._await_devices, run)
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
                run.beside.finishes = self._shares_worker(run)
                run.begin(Found(before.beside.rows.expected))
            else:
                run.look_ahead()
        made = {*recipe.makes, *recipe.also, *filter(None, (recipe.output,))}
        self._columns[number] = None if columns is None else columns | made

    def _shares_worker(self, run: StepRun) -> bool:
        """Whether an earlier step asks a worker of this one, too."""
        earlier = [other for number, other in self._runs.items() if number < run.step.number]
        return any(not {*other.recipe.workers.values()}.isdisjoint(run.recipe.workers.values()) for other in earlier)

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
            is_ours = isinstance(self._error, DataflowError)
            why = f"another step ended the run: {self._error if is_ours else type(self._error).__name__}"
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

    def _await_devices(self, run: StepRun) -> None:
        """Return when no earlier step holds the devices of this one's models, or may hold them yet."""
        assert run.counts is not None
        run.signals.elsewhere(partial(self._prepare_behind, run.step.number))

        def may_ask() -> bool:
            if self._error is not None or run.signals.stop:
                return True
            earlier = [at for at in self._running if at < run.step.number and self._runs[at].recipe.workers]
            return self._opened.issuperset(earlier) and not _compete(run, [self._runs[number] for number in earlier])

        with self._change:
            self._opened.add(run.step.number)
            self._change.notify_all()
            if _has_devices(run, *run.recipe.workers.values()) and not may_ask():
                run.counts.pause, began = "waits until earlier steps need its device no more", time.monotonic()
                self._change.wait_for(may_ask)
                run.counts.started += time.monotonic() - began  # its own speed is what its summary tells

    def _prepare_behind(self, number: int) -> None:
        """Prepare what charges in the steps behind, which is no download: a missing key shows before the first request.

        Raises:
            ConfigError: a setting is missing or wrong.
        """
        with self._change:
            behind = [self._runs[other] for other in self._running if other > number]
        for run in behind:
            for worker in run.recipe.workers.values():
                if worker.billing() is not None:
                    run.executor.pool(worker)

    def _cost_behind(self, number: int) -> int:
        runs = [*self._runs.items()]
        return sum(run.counts.cost for at, run in runs if at > number and run.counts is not None)

    def _wait(self, over: Callable[[], bool]) -> None:
        """Return when it is over; the thread of the block shows progress meanwhile, and passes signals on."""
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


def _has_devices(run: StepRun, *workers: Worker) -> bool:
    places = [run.executor.placement_of(worker) for worker in workers]
    return any(place.gpus or place.devices for place in places)


def _compete(run: StepRun, earlier: Sequence[StepRun]) -> bool:
    """Whether models of a step and those of earlier ones do not run side by side; the same model is no rival."""
    mine = {*run.recipe.workers.values()}
    theirs = {worker for each in earlier for worker in each.recipe.workers.values()} - mine
    rivals = {worker for worker in theirs if _has_devices(run, worker)}
    place = run.executor.placement_of
    devices = {device for worker in mine for device in place(worker).devices}
    if any(devices.intersection(place(worker).devices) for worker in rivals):
        return True
    return bool(rivals) and not run.executor.has_gpus(sum(place(worker).gpus for worker in mine | rivals))
