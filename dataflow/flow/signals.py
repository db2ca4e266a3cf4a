"""The signals that stop a run: Ctrl-C, SIGTERM, and SIGHUP, which is sent when the terminal closes.

While answers may be in flight or files are being closed, a signal is only noted. While a file is checked, a model is
downloaded or a table is converted, a signal costs nothing but time and ends that at once. After a run that was stopped
the process ends within seconds: see `core/process_exit.py`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self, TypeVar

from dataflow.core.notebook import same_again, stop_key
from dataflow.core.process_exit import STOPS, leave_soon, stay
from dataflow.core.words import count_of
from dataflow.errors import Interrupted

T = TypeVar("T")

_LOOK = 0.1  # seconds between two looks at signals while another thread works
_WORDS = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP, a closed terminal"}


class Signals:
    """The signals that have arrived since a run began; all methods run in the thread of the run.

    Attributes:
        received: numbers of the signals, in the order of their arrival.
        rows_done: rows of the run that need nothing more, for the message at the end.
        done: the rows that are done, in words, where several steps run; empty for a single step.
        noticed: called at each signal that is only noted.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.rows_done = 0
        self.done = ""
        self.noticed: Callable[[], None] = lambda: None
        self._ends_at_once = False
        self._listens = False  # whether signals arrive here at all
        self._ended_by = ""  # why another step stopped this one
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Self]:
        """A context manager that listens for signals; in another thread than the main one it cannot, and does nothing.

        Raises:
            Interrupted: the block ended well, and a signal that arrived too late to stop it must stop what follows.
        """
        signals = cls()
        if threading.current_thread() is not threading.main_thread():
            yield signals
            return
        stay()
        signals._listens = True
        # Under nohup SIGHUP is ignored, and stays ignored.
        is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        caught = [number for number in STOPS if number != signal.SIGHUP or not is_ignored]
        before = [signal.signal(number, lambda number, _: signals._arrived(number)) for number in caught]
        try:
            yield signals
            signals.check()
        except KeyboardInterrupt:
            signals.check()
            raise
        finally:
            for number, handler in zip(caught, before, strict=True):
                signal.signal(number, handler)
            if signals.received:
                leave_soon(signals.interrupted().exit_code, at_once=len(signals.received) > 1)

    @classmethod
    def passed_on(cls) -> Self:
        """The signals of a step in a thread of its own; the thread of the overlapped block calls `pass_on` for each."""
        signals = cls()
        signals._listens = True
        return signals

    def pass_on(self, number: int) -> None:
        """Note a signal that another thread has received."""
        self.received.append(number)
        self.noticed()

    def end(self, why: str) -> None:
        """Stop the run as a signal does, because another step was stopped.

        Args:
            why: a sentence for the error that the run raises.
        """
        self._ended_by = why
        self.noticed()

    @property
    def stop(self) -> bool:
        """Whether a signal, or the end of another step, stops the run."""
        return bool(self.received or self._ended_by)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A context manager within which a signal interrupts the code at once.

        Raises:
            Interrupted: a signal arrived, within the block or before it.
        """
        before = self._ends_at_once
        try:
            self._ends_at_once = True
            self.check()
            yield
        except KeyboardInterrupt:
            self.check()
            raise  # raised by something else than our handler
        finally:
            self._ends_at_once = before

    @contextmanager
    def noted(self) -> Iterator[None]:
        """A context manager within which a signal is only noted, even inside of `at_once`."""
        before, self._ends_at_once = self._ends_at_once, False
        try:
            yield
        finally:
            self._ends_at_once = before

    def elsewhere(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread of its own and wait for it; a signal ends the wait and leaves the thread behind.

        A download cannot be ended in another way, since it waits for threads of its own.

        Returns:
            What `work` returned.

        Raises:
            Interrupted: a signal arrived.
        """
        if not self._listens:
            return work()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised by `done.result()` in the waiting thread
                done.set_exception(error)

        thread = threading.Thread(target=run, name="dataflow-prepare")
        thread.start()
        while thread.is_alive():
            self.check()
            thread.join(_LOOK)
        return done.result()

    def check(self) -> None:
        """Raise if the run must stop.

        Raises:
            Interrupted: a signal arrived, or another step was stopped.
        """
        if self.received:
            raise self.interrupted() from None
        if self._ended_by:
            raise Interrupted(self._ended_by, signal_number=0)

    def interrupted(self) -> Interrupted:
        """The error that says which signal stopped the run; a signal must have arrived."""
        number = self.received[0]
        by = _WORDS.get(signal.Signals(number)) or stop_key()
        return Interrupted(
            f"stopped by {by} with {self.done or count_of(self.rows_done, 'row')} done;"
            f" everything answered is kept, run {same_again()} again to go on",
            signal_number=number,
        )

    def _arrived(self, number: int) -> None:
        """The handler of the signals."""
        self.received.append(number)
        if number == signal.SIGHUP:
            self._leave_terminal()
        if self._ends_at_once:
            raise KeyboardInterrupt
        self.noticed()

    def _leave_terminal(self) -> None:
        """Redirect standard output and error to nowhere if their terminal is gone, since each write would fail."""
        gone = [descriptor for descriptor in self._terminals if not os.isatty(descriptor)]
        if gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in gone:
                os.dup2(nowhere, descriptor)
            os.close(nowhere)
