"""Stops a run before its end, by a signal or an error.

Requests in flight are paid, so the run waits for them; lines that the disk does not take are written again meanwhile. A
second signal, or a deadline, ends both.
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
from dataflow.utils.disk_retry import HOLD_SECONDS

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 120.0  # for which requests in flight are waited for
_LOOP_SECONDS = 0.3  # in which the loop cuts requests off, so that a second signal ends the run within a second


class Stopping:
    """Stops one run of a step; all methods run in the thread of the run.

    Args:
        sink: of the run.
        counts: the figures of the run.
        pools: name in requests → pool of the worker; empty until the first request.
        signals: stop the run.
    """

    def __init__(self, sink: StepSink, counts: Counts, pools: Mapping[str, Pool], signals: Signals) -> None:
        self._sink = sink
        self._counts = counts
        self._pools = pools
        self._signals = signals
        signals.noticed = self._stop
        if signals.stop:  # one has arrived already
            self._stop()

    def _stop(self) -> None:
        self._sink.stopped = True

    def drain(self, show: Callable[[], None]) -> Sequence[tuple[str, Answer]]:
        """Wait for requests in flight and for held lines; cut them off at a deadline or at a second signal.

        Args:
            show: shows the counts; called ten times a second.

        Returns:
            The answers that arrived meanwhile, each with the id of its request; they are in the journal.
        """
        sink, counts, received = self._sink, self._counts, self._signals.received
        sink.stopped = True
        if counts.in_flight:
            for pool in self._pools.values():
                pool.let_go()
        seen = submit(_nothing())  # once the loop has run this it has seen `stopped`, and starts nothing more
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
            # A second at most: if the process stood still, the answers that arrived meanwhile are read first.
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
        """Raise the error that stopped the run, if one did.

        Raises:
            NotStored: the disk did not take a line; the message says how many answers that lost.
            FatalAnswer: no request can succeed.
            MaxCostReached: `max_cost` leaves no room.
            Interrupted: a signal arrived.
        """
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
