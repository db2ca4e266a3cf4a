"""What waits in front of a worker, and which of it makes the next batch.

A batch holds jobs of one key. Its first is the first in line, so nothing needs a search; what fills it up is taken from
further behind, by key. A ticket that was taken so stays in its line until it is the first there, and is skipped then:
putting and taking cost the same however many wait.

Where it pays that jobs of one key follow one another (batches made by an engine behind an API; a model compiled for
each size) the first in line is passed over while the last key fills a batch.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from dataflow.core.records import Answer, Job
from dataflow.errors import Failure

LONGEST_PASSED_OVER = 60.0  # seconds
_FILLS_FOR = 0.01  # seconds that a job waits for others to fill its batch: the runner plans the next rows in less
_FILLS_AHEAD_FOR = 1.0  # the same where its worker is busy meanwhile, so that the wait costs nothing


class Sink(Protocol):
    """Learns what became of a job; called on the event loop's thread, must not block."""

    def starting(self, job: Job, attempt: int) -> bool:
        """The job is about to be sent, unless this says no."""

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        """Whether the job may not be sent before something in flight has ended; then `go_on` is called, once."""

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        """An attempt failed and another will follow."""

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        """The last word on this job; a failure knows how often the job was sent."""

    def broken(self, job: Job, error: BaseException) -> None:
        """The worker raised: a bug or a lost machine, not an answer."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One job on its way through a pool.

    Args:
        job: what is asked.
        sink: who asked.
        key: jobs of one key may share a batch.
        attempt: attempts before this one.
        kinds: what kind of failure each of them ended with.
        cut: whoever asked is gone, and must not learn of an answer.
        queued_at: monotonic seconds.
        taken: it is in a batch, though perhaps also in a line still.
    """

    job: Job
    sink: Sink
    key: Hashable = None
    attempt: int = 0
    kinds: tuple[Hashable, ...] = ()
    cut: bool = False
    queued_at: float = 0.0
    taken: bool = False


class Tickets:
    """Waiting tickets: those of rows begun before all others, and within these in order of arrival.

    Args:
        clock: monotonic seconds.
        grouped: let batches of one key follow one another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, grouped: bool = False) -> None:
        self._clock = clock
        self._grouped = grouped
        self._count = 0
        self._begun: deque[Ticket] = deque()  # the two lines; they may hold taken tickets
        self._new: deque[Ticket] = deque()
        self._by_key: dict[tuple[bool, Hashable], deque[Ticket]] = {}  # of both lines, without taken ones
        self._passed_over: Ticket | None = None  # the first of the new, since rows begun go before it
        self._passed_since = 0.0
        self._last_key: Hashable = None
        self._held_back: Ticket | None = None  # the first in line, since the last key still fills batches
        self._held_since = 0.0

    def __len__(self) -> int:
        return self._count

    def put(self, ticket: Ticket, *, begun: bool) -> None:
        """Let a ticket wait; the same one never comes twice."""
        ticket.queued_at = self._clock()
        (self._begun if begun else self._new).append(ticket)
        same = self._by_key.get((begun, ticket.key))
        if same is None:
            self._by_key[begun, ticket.key] = deque((ticket,))
        else:
            same.append(ticket)
        self._count += 1

    def wait(self, most: int, *, ahead: bool = False) -> float:
        """Seconds until the next batch should start: 0 unless it could still become fuller.

        Args:
            most: jobs that a batch holds.
            ahead: it would not be worked on at once.
        """
        if most == 1 or not self._count:
            return 0.0
        first, begun = self._first()
        key = self._group(first, begun, most) if self._grouped else first.key
        if self._waiting(key) >= most:
            return 0.0
        fills_for = _FILLS_AHEAD_FOR if ahead else _FILLS_FOR
        return max(0.0, first.queued_at + fills_for - self._clock())

    def take(self, most: int) -> list[Ticket]:
        """The next batch: at most so many tickets of one key; none if nothing waits."""
        if not self._count:
            return []
        first, begun = self._first()
        key = self._group(first, begun, most) if self._grouped else first.key
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
        """Whose turn it is, and whether its row was begun; something must be waiting."""
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

    def _group(self, first: Ticket, begun: bool, most: int) -> Hashable:
        """The last key while it fills a batch, one of that rank in it, unless the first in line has waited for long."""
        last = self._last_key
        if first.key != last and (begun, last) in self._by_key and self._waiting(last) >= most:
            if first is not self._held_back:
                since = self._passed_since if first is self._passed_over else self._clock()  # both waits are one
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
