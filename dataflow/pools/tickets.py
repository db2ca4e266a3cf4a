"""The jobs that wait in front of a worker, and which of them make the next batch.

A batch holds jobs of one key. The first job of a batch is the first in line, and the jobs that fill the batch up are
taken from anywhere behind it, by key. A ticket that is taken out of turn stays in its line until it is the first there,
and is skipped then. So putting and taking cost the same however many tickets wait.

Some workers gain from jobs of one key that follow one another: an engine behind an API that makes batches itself, or a
model that is compiled for each size. For them the first in line is passed over while the last key still fills a batch.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from dataflow.core.records import Answer, Job
from dataflow.errors import Failure

LONGEST_PASSED_OVER = 60.0  # seconds
_FILLS_FOR = 0.01  # seconds that a job waits for others to fill its batch; the runner plans its next rows in less
_FILLS_AHEAD_FOR = 1.0  # the same while the worker is busy with another batch, so that the wait costs nothing


class Sink(Protocol):
    """Learns what becomes of jobs. Its methods are called on the event loop's thread and must not block."""

    def starting(self, job: Job, attempt: int) -> bool:
        """Note that the job is about to be sent, and say whether it may be."""

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Say whether the job must wait until a call in flight has ended; if so, call `go_on` once when that has."""

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        """Note that an attempt failed and that another one will follow."""

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        """Take the final answer to the job; its failure, if it is one, says how often the job was sent."""

    def broken(self, job: Job, error: BaseException) -> None:
        """Take what the worker raised instead of an answer: a bug, or a lost machine."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One job on its way through a pool.

    Args:
        job: the request and its id.
        sink: learns what becomes of the job.
        key: jobs of equal keys may share a batch.
        attempt: number of attempts before this one.
        kinds: for each of those attempts, the kind of failure with which it ended.
        abandoned: whether the sink was cancelled, and must not learn of an answer.
        queued_at: monotonic time, in seconds.
        taken: whether the ticket is in a batch; its line may still hold it.
    """

    job: Job
    sink: Sink
    key: Hashable = None
    attempt: int = 0
    kinds: tuple[Hashable, ...] = ()
    abandoned: bool = False
    queued_at: float = 0.0
    taken: bool = False


class Tickets:
    """Waiting tickets in two lines, each in order of arrival: tickets of rows that are begun go before all others.

    Args:
        clock: gives monotonic time, in seconds.
        grouped: whether batches of one key follow one another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, grouped: bool = False) -> None:
        self._clock = clock
        self._grouped = grouped
        self._count = 0
        self._begun: deque[Ticket] = deque()  # this line and the next may still hold taken tickets
        self._new: deque[Ticket] = deque()
        self._by_key: dict[tuple[bool, Hashable], deque[Ticket]] = {}  # both lines by key, without taken tickets
        self._passed_over: Ticket | None = None  # the first new ticket, while tickets of begun rows go before it
        self._passed_since = 0.0
        self._last_key: Hashable = None
        self._held_back: Ticket | None = None  # the first in line, while the last key still fills batches
        self._held_since = 0.0

    def __len__(self) -> int:
        return self._count

    def put(self, ticket: Ticket, *, begun: bool) -> None:
        """Put a ticket at the end of a line.

        Args:
            ticket: one that was never put before.
            begun: whether the row that asks has answers already.
        """
        ticket.queued_at = self._clock()
        (self._begun if begun else self._new).append(ticket)
        same = self._by_key.get((begun, ticket.key))
        if same is None:
            self._by_key[begun, ticket.key] = deque((ticket,))
        else:
            same.append(ticket)
        self._count += 1

    def wait(self, most: int, *, ahead: bool = False) -> float:
        """Give the seconds until the next batch should start: 0 unless the batch may still become fuller.

        Args:
            most: jobs that a batch may hold.
            ahead: whether the worker would not begin with the batch at once.
        """
        if most == 1 or not self._count:
            return 0.0
        first, begun = self._first()
        key = self._next_key(first, begun, most) if self._grouped else first.key
        if self._waiting(key) >= most:
            return 0.0
        fills_for = _FILLS_AHEAD_FOR if ahead else _FILLS_FOR
        return max(0.0, first.queued_at + fills_for - self._clock())

    def take(self, most: int) -> list[Ticket]:
        """Take the next batch, of at most `most` tickets of one key; an empty list if none waits."""
        if not self._count:
            return []
        first, begun = self._first()
        key = self._next_key(first, begun, most) if self._grouped else first.key
        batch = self._take_same(begun, key, 1)
        if most > 1:
            batch += self._take_same(True, key, most - 1)
            batch += self._take_same(False, key, most - len(batch))
        self._count -= len(batch)
        if not self._count:
            self._begun.clear()
            self._new.clear()
        return batch

    def _first(self) -> tuple[Ticket, bool]:
        """Find the ticket whose turn it is, and whether its row was begun; a ticket must be waiting."""
        begun, new = _front(self._begun), _front(self._new)
        if begun is None or new is None:
            first = begun or new
            assert first is not None
            return first, begun is not None
        if new is not self._passed_over:
            self._passed_over, self._passed_since = new, self._clock()
        if self._clock() - self._passed_since >= LONGEST_PASSED_OVER:
            return new, False
        return begun, True

    def _next_key(self, first: Ticket, begun: bool, most: int) -> Hashable:
        """Choose the key of the next batch: the last key while it fills one, unless the first in line has waited long.

        The batch must hold a ticket of the same line as the first one, so that no new row overtakes a begun one.
        """
        last = self._last_key
        if first.key != last and (begun, last) in self._by_key and self._waiting(last) >= most:
            if first is not self._held_back:
                # A ticket that rows begun have passed over already does not wait as long a second time.
                since = self._passed_since if first is self._passed_over else self._clock()
                self._held_back, self._held_since = first, since
            if self._clock() - self._held_since < LONGEST_PASSED_OVER:
                return last
        self._last_key = first.key
        return first.key

    def _waiting(self, key: Hashable) -> int:
        return sum(len(self._by_key.get((begun, key), ())) for begun in (True, False))

    def _take_same(self, begun: bool, key: Hashable, most: int) -> list[Ticket]:
        same = self._by_key.get((begun, key))
        if same is None:
            return []
        taken = [same.popleft() for _ in range(min(most, len(same)))]
        for ticket in taken:
            ticket.taken = True
        if not same:
            del self._by_key[begun, key]
        return taken


def _front(line: deque[Ticket]) -> Ticket | None:
    while line and line[0].taken:
        line.popleft()
    return line[0] if line else None
