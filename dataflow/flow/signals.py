"""The signals that stop a run: Ctrl-C, SIGTERM, and SIGHUP, which comes when the terminal closes.

A signal is only noted while answers may be in flight or files are being closed. Where nothing is at stake but time (a
file is looked through, a model downloaded, a table converted) it ends that at once. After a run that was stopped, the
process ends within seconds: see `core/leaving.py`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self, TypeVar

from dataflow.core.leaving import STOPS, leave_soon, stay
from dataflow.core.notebook import same_again, stop_key
from dataflow.core.words import count_of
from dataflow.errors import Interrupted

T = TypeVar("T")

_LOOK = 0.1  # seconds between two looks at what another thread does
_WORDS = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP, a closed terminal"}


class Signals:
    """What has arrived since a run began; its methods run in the caller's thread.

    Attributes:
        received: numbers of signals, in order.
        rows_done: rows of the run that need nothing more, for the words of the end.
        done: the same in words, where several steps run; empty for one.
        noticed: called with each signal that is only noted.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.rows_done = 0
        self.done = ""
        self.noticed: Callable[[], None] = lambda: None
        self._ends_at_once = False
        self._hears = False  # signals arrive here
        self._ended_by = ""
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Self]:
        """Listen as long as this block lasts, where Python lets us: in the main thread.

        Raises:
            Interrupted: the block ended well, but a signal that came too late to stop it must stop what follows.
        """
        signals = cls()
        if threading.current_thread() is not threading.main_thread():
            yield signals
            return
        stay()
        signals._hears = True
        # Under nohup SIGHUP is ignored, and stays so.
        caught = [each for each in STOPS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
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
        """Those of a step in a thread of its own, to which the thread that listens passes them on."""
        signals = cls()
        signals._hears = True
        return signals

    def pass_on(self, number: int) -> None:
        """A signal arrived where somebody listens."""
        self.received.append(number)
        self.noticed()

    def end(self, why: str) -> None:
        """Stop the run as a signal does, since another step was stopped."""
        self._ended_by = why
        self.noticed()

    @property
    def stop(self) -> bool:
        """Whether the run is to end."""
        return bool(self.received or self._ended_by)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block a signal ends what it does at once.

        Raises:
            Interrupted: a signal came, here or before.
        """
        before = self._ends_at_once
        try:
            self._ends_at_once = True
            self.check()
            yield
        except KeyboardInterrupt:
            self.check()
            raise  # not by a signal that we listen to
        finally:
            self._ends_at_once = before

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within this block a signal is only noted, also where it ends things at once around it."""
        before, self._ends_at_once = self._ends_at_once, False
        try:
            yield
        finally:
            self._ends_at_once = before

    def elsewhere(self, work: Callable[[], T]) -> T:
        """What `work` returns, done in a thread of its own, which a signal leaves behind.

        Raises:
            Interrupted: a signal came. A download cannot be ended otherwise: it waits for threads of its own.
        """
        if not self._hears:
            return work()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)

        thread = threading.Thread(target=run, name="dataflow-prepare")
        thread.start()
        while thread.is_alive():
            self.check()
            thread.join(_LOOK)
        return done.result()

    def check(self) -> None:
        """Go on if no signal came.

        Raises:
            Interrupted: one did, or another step was stopped.
        """
        if self.received:
            raise self.interrupted() from None
        if self._ended_by:
            raise Interrupted(self._ended_by, signal_number=0)

    def interrupted(self) -> Interrupted:
        """What tells that a signal stopped the run; there must be one."""
        number = self.received[0]
        by = _WORDS.get(signal.Signals(number)) or stop_key()
        return Interrupted(
            f"stopped by {by} with {self.done or count_of(self.rows_done, 'row')} done;"
            f" everything answered is kept, run {same_again()} again to go on",
            signal_number=number,
        )

    def _arrived(self, number: int) -> None:
        self.received.append(number)
        if number == signal.SIGHUP:
            self._leave_terminal()
        if self._ends_at_once:
            raise KeyboardInterrupt
        self.noticed()

    def _leave_terminal(self) -> None:
        """Write nowhere instead of to a terminal that is gone: each write to it would fail."""
        gone = [descriptor for descriptor in self._terminals if not os.isatty(descriptor)]
        if gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in gone:
                os.dup2(nowhere, descriptor)
            os.close(nowhere)
