"""Several addresses that serve one model: which replica gets a request, and which one takes over when it fails.

A request goes to the replica that will probably answer first: the one with the shortest queue, counted in seconds. No
replica has more than `width` requests in flight while another one has fewer, so under load each stays full and a slow
replica gets as many requests as it answers. Nor has a replica more requests than it answers in time by its measured
speed: a picture whose request waits in an engine's queue past the time-out is drawn for nobody. The engine's own
`/metrics` are not read: vLLM-Omni's gauge of waiting requests stayed at 0 while nine of ten edits waited (its issue
6547, August 2026).

A request that one replica could not answer for reasons of its own goes to the next one at once, within the same
attempt. Only a failure of all replicas goes back to the pool.

A replica that fails is set aside, and one request at a time tries it again. When all are set aside, requests go out as
if none were: the pool's breaker decides whether the whole fleet is down. Lives on the event loop.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Generic, Literal, TypeVar

from dataflow.core.records import Answer, Request
from dataflow.core.words import count_of
from dataflow.errors import Failure

log = logging.getLogger(__name__)

C = TypeVar("C")
# The answer of one replica to a request, and whether the replica took the connection; None: nothing was sent.
Outcome = tuple[Answer, bool | None]
RequestKind = Literal["edits", "pictures", "texts"]

MIN_PAUSE_SECONDS = 1.0  # for which a replica that asks for fewer requests gets none
SPEED_VALID_SECONDS = 60.0  # after its last answer, the measured speed of a replica no longer decides the choice
# Some models break on some inputs, every time. A request that broke three replicas goes to no fourth one, or a single
# row would set the whole fleet aside.
MAX_REPLICAS_BROKEN = 3
_SMOOTHING = 0.2  # the weight of the newest answer in the measured speed
_MIN_IN_FLIGHT = 2  # at the slowest replica: the request that it works on, and the next one
# What another replica may have although this one lacks it: the key's permission, the model, the path, an upstream.
_LACKS_OF_ONE_REPLICA = ("account", "channel")


def request_kind(request: Request) -> RequestKind:
    """The ability that a replica needs for a request: not every engine that draws also edits or writes."""
    if request.makes == "text":
        return "texts"
    return "edits" if request.all_images() else "pictures"


class Replica(Generic[C]):
    """One address, its queue, and how its last requests ended. All times are monotonic seconds.

    Attributes:
        name: of the address, for the log.
        connection: through which requests go to the address.
        in_flight: requests that the address is working on.
        is_down: whether the replica is set aside since it does not answer.
        last_chosen: the number of the fleet's choice that last fell on the replica; 0: none has yet.
    """

    def __init__(self, name: str, connection: C) -> None:
        self.name = name
        self.connection = connection
        self.in_flight = 0
        self.is_down = False
        self.last_chosen = 0
        self._seconds_per_answer: float | None = None  # from one answer to the next, under load
        self._answered_at = 0.0
        self._failed_ids: set[str] = set()  # requests that failed since the last reply
        self._retry_at = 0.0
        self._paused_until = 0.0
        self._has_logged_speed = False
        self._retry_kind_at: dict[RequestKind, float] = {}  # when a kind that the replica lacks is tried again

    def seconds_per_answer(self, now: float) -> float | None:
        """Seconds from one answer to the next under load; None: not known, or measured too long ago."""
        return self._seconds_per_answer if now - self._answered_at < SPEED_VALID_SECONDS else None

    def capacity(self, width: int, patience: float) -> int:
        """How many requests may be in flight at the replica, so that it answers each of them in time.

        The last measured speed counts, however old it is. Before the first answer the replica gets the minimum: an
        engine refuses nothing, and goes on drawing what nobody waits for any more.

        Args:
            width: the most requests, however fast the replica is.
            patience: seconds in which each request should be answered; infinite: the speed does not matter.
        """
        if self._seconds_per_answer is None:
            return width if math.isinf(patience) else min(width, _MIN_IN_FLIGHT)
        if self._seconds_per_answer * width <= patience:
            return width
        capacity = max(_MIN_IN_FLIGHT, int(patience / self._seconds_per_answer))
        if not self._has_logged_speed and self.in_flight + 1 >= capacity:
            self._has_logged_speed = True
            log.info(
                "%s takes %.3g s for each answer: it is sent %s at a time, so that each is answered within "
                "%.0f s; set max_workers (batch_size) to send another number",
                *(self.name, self._seconds_per_answer, count_of(capacity, "request"), patience),
            )
        return min(width, capacity)

    def is_available(self, kind: RequestKind, now: float) -> bool:
        """Whether the replica answers, takes this kind of request, and has not asked for a pause."""
        return not self.is_down and kind not in self._retry_kind_at and self._paused_until <= now

    def is_retry_due(self, kind: RequestKind, now: float) -> bool:
        """Whether one request should try a replica that is set aside, or lacks this kind.

        A replica that hangs holds no more than one request: while that is in flight, no other one tries it.
        """
        if self.is_down:
            return self.in_flight == 0 and self._retry_at <= now
        return self._retry_kind_at.get(kind, now + 1) <= now

    def available_at(self, kind: RequestKind) -> float:
        """The time at which the replica is available again for this kind, or its retry is due."""
        return max(self._retry_at if self.is_down else 0.0, self._paused_until, self._retry_kind_at.get(kind, 0.0))

    def postpone_retry(self, kind: RequestKind, until: float) -> None:
        """Let no other request try the replica before this time, since one is trying it now."""
        if self.is_down:
            self._retry_at = until
        if kind in self._retry_kind_at:
            self._retry_kind_at[kind] = until

    def note_answer(self, kind: RequestKind, seconds: float, in_flight: int, now: float) -> bool:
        """Measure the speed by an answer; returns whether the replica was set aside until now.

        Args:
            kind: of the request.
            seconds: from sending the request to its answer.
            in_flight: requests at the replica when this one was sent, this one included.
            now: time of the answer.
        """
        # Little's law: with `in_flight` requests in work, one answer comes every `seconds / in_flight`.
        known, measured = self.seconds_per_answer(now), seconds / in_flight
        self._seconds_per_answer = measured if known is None else known + _SMOOTHING * (measured - known)
        self._answered_at = now
        self._retry_kind_at.pop(kind, None)
        return self.note_reply()

    def note_reply(self) -> bool:
        """Note that the replica replied, be it with a refusal; returns whether it was set aside until now."""
        was_down, self.is_down = self.is_down, False
        self._failed_ids.clear()
        return was_down

    def note_outage(self, request_id: str, *, at_once: bool, retry_at: float) -> bool:
        """Note that the replica could not answer; returns whether this failure sets it aside.

        Args:
            request_id: two different requests in a row set the replica aside: one alone may be what breaks it.
            at_once: whether this request alone sets the replica aside.
            retry_at: the time at which a request may try the replica again.
        """
        self._failed_ids.add(request_id)
        self._retry_at = retry_at
        if self.is_down or not (at_once or len(self._failed_ids) > 1):
            return False
        self.is_down = True
        return True

    def pause(self, until: float) -> None:
        """Send nothing before this time, since the replica asks for fewer requests."""
        self._paused_until = max(self._paused_until, until)

    def note_lack(self, kind: RequestKind, until: float) -> bool:
        """Note that the replica cannot answer this kind at all; returns whether that was not known before."""
        is_new = kind not in self._retry_kind_at
        self._retry_kind_at[kind] = until
        return is_new


class Fleet(Generic[C]):
    """The replicas of one serving.

    Args:
        connections: name of an address → the connection to it.
        width: the most requests in flight at each replica.
        probe: seconds between two tries of a replica that is set aside.
        patience: seconds in which a replica should answer all requests in flight there; infinite: their number is
            bounded by `width` alone.
        clock: gives monotonic seconds.

    Attributes:
        replicas: in the order of `connections`.
    """

    def __init__(
        self,
        connections: dict[str, C],
        *,
        width: int,
        probe: float,
        patience: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.replicas = [Replica(name, connection) for name, connection in connections.items()]
        self._width = width
        self._probe = probe
        self._patience = patience
        self._clock = clock
        self._choices = 0

    @property
    def width(self) -> int:
        """The number of requests in flight that keeps every replica busy that is not set aside."""
        return sum(self._capacity(replica) for replica in self.replicas if not replica.is_down) or self._width

    async def ask(self, kind: RequestKind, request_id: str, send: Callable[[C], Awaitable[Outcome]]) -> Outcome:
        """Send a request to replica after replica until one answers or no other one could do better.

        Args:
            kind: of the request.
            request_id: of the request.
            send: sends the request over one replica's connection.

        Returns:
            The answer of a replica, or the failure of those that were tried; and whether any of them took the
            connection, None if nothing was sent.
        """
        tried: list[Replica[C]] = []
        answers: list[Answer] = []
        reached, broken = False, 0
        while True:
            replica = self._choose(kind, tried)
            answer, connected = await self._send_to(replica, kind, send)
            failure = answer.error
            if failure is None or connected is None or len(self.replicas) == 1:
                return answer, reached or connected
            tried.append(replica)
            answers.append(answer)
            reached = reached or connected
            broken += connected and failure.outage  # sent, and no answer: the request itself may break replicas
            if not self._goes_to_another(replica, kind, request_id, failure, connected):
                break
            if broken == MAX_REPLICAS_BROKEN or len(tried) == len(self.replicas):
                # A replica that is down may have what the other ones lack, so a fatal failure does not speak for all.
                passing = (earlier for earlier in answers if earlier.error and earlier.error.kind != "fatal")
                answer = next(passing, answer)
                break
            if failure.kind == "wait" and not self._is_any_available(kind, tried):
                break
        if answer.error and answer.error.outage and not all(replica.is_down for replica in self.replicas):
            # The pool pauses all requests after an outage: it must not for one replica, or for one request.
            answer = replace(answer, error=replace(answer.error, outage=False))
        return answer, reached

    async def _send_to(
        self, replica: Replica[C], kind: RequestKind, send: Callable[[C], Awaitable[Outcome]]
    ) -> Outcome:
        sent_at = self._clock()
        self._choices += 1
        replica.last_chosen = self._choices
        replica.in_flight += 1
        in_flight = replica.in_flight
        try:
            answer, connected = await send(replica.connection)
        finally:
            replica.in_flight -= 1
        if answer.error is None:
            now = self._clock()
            self._log_return(replica, replica.note_answer(kind, now - sent_at, in_flight, now))
        return answer, connected

    def _choose(self, kind: RequestKind, tried: Sequence[Replica[C]]) -> Replica[C]:
        now = self._clock()
        untried = [replica for replica in self.replicas if replica not in tried]
        if len(self.replicas) == 1:
            return untried[0]
        for replica in untried:
            if replica.is_retry_due(kind, now):
                replica.postpone_retry(kind, now + self._probe)
                return replica
        if available := [replica for replica in untried if replica.is_available(kind, now)]:
            known = [seconds for replica in self.replicas if (seconds := replica.seconds_per_answer(now)) is not None]
            # A replica of unknown speed counts as fast as the fastest one: it gets requests, and its speed is measured.
            guess = min(known, default=1.0)

            def queue(replica: Replica[C]) -> tuple[bool, float, int]:
                """Whether the replica is full, seconds to the answer, and how long ago it was chosen, to break ties."""
                seconds = (replica.in_flight + 1) * (replica.seconds_per_answer(now) or guess)
                return replica.in_flight >= self._capacity(replica), seconds, replica.last_chosen

            return min(available, key=queue)
        return min(untried, key=lambda replica: (replica.available_at(kind), replica.in_flight))

    def _capacity(self, replica: Replica[C]) -> int:
        return replica.capacity(self._width, self._patience)

    def _is_any_available(self, kind: RequestKind, tried: Sequence[Replica[C]]) -> bool:
        now = self._clock()
        return any(replica not in tried and replica.is_available(kind, now) for replica in self.replicas)

    def _goes_to_another(
        self, replica: Replica[C], kind: RequestKind, request_id: str, failure: Failure, connected: bool
    ) -> bool:
        """Note what a failure says about its replica; returns whether another replica should be asked.

        A request that may have been paid goes to no other replica: the pool decides whether it is paid twice.
        """
        now = self._clock()
        if failure.outage:
            at_once = failure.maybe_paid or not connected
            if replica.note_outage(request_id, at_once=at_once, retry_at=now + self._probe):
                log.warning("%s is set aside and tried again every %g s: %s", replica.name, self._probe, failure)
            return not failure.maybe_paid
        self._log_return(replica, replica.note_reply())
        if failure.kind == "wait":
            replica.pause(now + max(failure.wait, MIN_PAUSE_SECONDS))
            return True
        if failure.unconfirmed in _LACKS_OF_ONE_REPLICA:
            if replica.note_lack(kind, now + self._probe):
                log.warning("%s is not asked for %s, which go to the other addresses: %s", replica.name, kind, failure)
            return True
        return False

    def _log_return(self, replica: Replica[C], was_down: bool) -> None:
        if was_down:
            log.warning("%s answers again", replica.name)
