"""How a run ends before its end: signals, what is still in flight, and what it says.

What is in flight is paid, so it is waited for; what cannot be written waits in memory meanwhile. A second
signal, or a deadline, cuts both off.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait

from dataflow.core.loop import submit
from dataflow.core.notebook import stop_key
from dataflow.core.records import Answer
from dataflow.core.words import count_of, duration, sentence
from dataflow.errors import FatalAnswer, NotStored
from dataflow.flow.counts import Counts
from dataflow.flow.signals import Signals
from dataflow.flow.sink import StepSink
from dataflow.pools.pool import Pool
from dataflow.utils.held import HOLD_SECONDS

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 120.0
_LOOP_SECONDS = 0.3  # for the loop to cut off what is in flight: a second signal ends the run within one second


class Stopping:
    """Ends one run of a step. Its methods run in the caller's thread.

    Args:
        sink: of the run.
        counts: of the run.
        pools: of its workers; filled when the first is needed.
        signals: that stop it.
    """

    def __init__(self, sink: StepSink, counts: Counts, pools: Mapping[str, Pool], signals: Signals) -> None:
        self._sink = sink
        self._counts = counts
        self._pools = pools
        self._signals = signals
        signals.noticed = self._stop
        if signals.stop:  # it came before anybody noticed
            self._stop()

    def _stop(self) -> None:
        self._sink.stopped = True

    def drain(self, show: Callable[[], None]) -> Sequence[tuple[str, Answer]]:
        """Let what is in flight arrive and what is held be written; then, or at a second signal, cut it off.

        Args:
            show: called ten times a second, to show the counts.

        Returns:
            What has arrived meanwhile, by the ids of its requests; the journal has it.
        """
        sink, counts, received = self._sink, self._counts, self._signals.received
        sink.stopped = True
        if counts.in_flight:
            for pool in self._pools.values():
                pool.let_go()
        seen = submit(_nothing())  # once the loop is there it has seen `stopped`: nothing starts from then on
        while not seen.done() and len(received) < 2:
            wait([seen], 0.1)
        late: list[tuple[str, Answer]] = []
        waited, looked_at = 0.0, time.monotonic()
        if received and counts.in_flight:
            log.warning(
                "waiting for %s in flight, %s at most; %s again cuts them off",
                *(count_of(counts.in_flight, "request"), duration(_DRAIN_SECONDS), stop_key()),
            )
        while len(received) < 2:
            # No more than a second a look: where the process stood still, answers have arrived and are read first.
            waited, looked_at = waited + min(1.0, time.monotonic() - looked_at), time.monotonic()
            may_be_written = sink.retry_held() and waited < HOLD_SECONDS
            if not may_be_written and not (counts.in_flight and waited < _DRAIN_SECONDS):
                break
            counts.ends_in = (_DRAIN_SECONDS if counts.in_flight else HOLD_SECONDS) - waited
            sink.arrived.wait(0.1)
            late += sink.arrived.take_all()
            show()
        if counts.in_flight:
            log.warning("%s cut off; they may have been paid", count_of(counts.in_flight, "request"))
            for pool in self._pools.values():
                pool.cancel(sink)
            wait([submit(_nothing())], _LOOP_SECONDS)
        return [*late, *sink.arrived.take_all()]

    def raise_reason(self) -> None:
        """Raise what stopped the run, if anything did."""
        sink = self._sink
        if isinstance(sink.stopped_by, NotStored) and (sink.lost or sink.fatal is None):
            raise NotStored(f"{sentence(str(sink.stopped_by))} {_lost(sink.lost)}") from sink.stopped_by.__cause__
        if sink.fatal is not None:
            raise FatalAnswer(sink.fatal)
        if sink.stopped_by is not None:
            raise sink.stopped_by
        self._signals.rows_done = self._counts.rows_done
        self._signals.check()


def _lost(count: int) -> str:
    if not count:
        return "Every finished answer is kept"
    answers = count_of(count, "finished answer")
    return f"{answers} held in memory could not be written and will be asked again; all others are kept"


async def _nothing() -> None:
    pass
