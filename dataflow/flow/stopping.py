"""How a run ends before its end: signals, what is still in flight, and what it says.

What is in flight is paid, so it is waited for; what cannot be written waits in memory meanwhile. A second
signal, or a deadline, cuts both off.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from dataflow.core.loop import submit
from dataflow.errors import FatalAnswer, Interrupted, NotStored
from dataflow.flow.counts import Counts
from dataflow.flow.sink import StepSink
from dataflow.pools.pool import Pool
from dataflow.utils.held import HOLD_SECONDS

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 120.0


class Stopping:
    """Ends one run of a step. Its methods run in the caller's thread.

    Args:
        sink: of the run.
        counts: of the run.
        pools: of its workers; filled when the first is needed.
    """

    def __init__(self, sink: StepSink, counts: Counts, pools: Mapping[str, Pool]) -> None:
        self._sink = sink
        self._counts = counts
        self._pools = pools
        self._signals: list[int] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop the run cleanly, where Python lets us listen: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, lambda number, _: self._interrupt(number)) for number in caught]
        try:
            yield
        finally:
            for number, handler in zip(caught, before, strict=True):
                signal.signal(number, handler)

    def _interrupt(self, number: int) -> None:
        self._signals.append(number)
        self._sink.stopped = True

    def drain(self, show: Callable[[], None]) -> None:
        """Let what is in flight arrive and what is held be written; then, or at a second signal, cut it off.

        Args:
            show: called ten times a second, to show the counts.
        """
        sink, counts = self._sink, self._counts
        sink.stopped = True
        if counts.in_flight:
            for pool in self._pools.values():
                pool.let_go()
        submit(_nothing()).result()  # the loop has seen `stopped`: nothing starts from here on
        began = time.monotonic()
        if self._signals and counts.in_flight:
            log.warning("waiting for %d requests in flight; interrupt again to cut them off", counts.in_flight)
        while len(self._signals) < 2:
            waited = time.monotonic() - began
            may_be_written = sink.retry_held() and waited < HOLD_SECONDS
            if not may_be_written and not (counts.in_flight and waited < _DRAIN_SECONDS):
                break
            sink.arrived.wait(0.1)
            sink.arrived.clear()  # the journal has them
            show()
        if counts.in_flight:
            log.warning("%d requests cut off; they may have been paid", counts.in_flight)
            for pool in self._pools.values():
                pool.cancel(sink)
            submit(_nothing()).result()

    def raise_reason(self, written: int) -> None:
        """Raise what stopped the run, if anything did.

        Args:
            written: rows that went into the step's file in the making.
        """
        sink = self._sink
        if isinstance(sink.stopped_by, NotStored) and (sink.lost or sink.fatal is None):
            raise NotStored(f"{sink.stopped_by}. {_lost(sink.lost)}") from sink.stopped_by.__cause__
        if sink.fatal is not None:
            raise FatalAnswer(sink.fatal)
        if sink.stopped_by is not None:
            raise sink.stopped_by
        if self._signals:
            raise Interrupted(
                f"stopped by {signal.Signals(self._signals[0]).name} with {written:,} rows written; everything"
                f" answered is kept, run the same command again to go on",
                signal_number=self._signals[0],
            )


def _lost(count: int) -> str:
    if not count:
        return "Every finished answer is kept"
    answers = "1 finished answer" if count == 1 else f"{count:,} finished answers"
    return f"{answers} held in memory could not be written and will be asked again; all others are kept"


async def _nothing() -> None:
    pass
