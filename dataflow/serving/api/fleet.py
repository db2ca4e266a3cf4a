"""Several addresses that serve one model: which of them gets a request, and who takes it when one fails.

The next request goes where it will probably be answered first: to the replica with the shortest queue, counted
in seconds. No replica has more than `width` in flight while another has room, so under load each is kept full
and a slow one takes as many requests as it answers. Nor has one more than it answers in time by its pace: what
waits in an engine's queue until the time-out is drawn for nothing. Its `/metrics` are not asked: vLLM-Omni's gauge of
what waits stayed at 0 while nine of ten edits did (its issue 6547, August 2026). What one replica could not do for
reasons of its own goes to the next at once, as the same attempt; only what none of them could do comes back to the
queue.

A replica that fails is set aside, and one request at a time tries it again. When all are, they are asked as if
none were: whether the whole fleet is down is for the pool's breaker to say. Lives on the event loop.
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
# What one replica makes of a request, and whether it took the connection; None if nothing was sent.
Outcome = tuple[Answer, bool | None]
Kind = Literal["edits", "pictures", "texts"]

SHORTEST_REST = 1.0  # seconds that a replica which asks for fewer requests is left alone
FORGOTTEN = 60.0  # seconds after which it no longer counts how slow a replica was
# Replicas that may break on one request: some models break on some inputs, every time, and must not take all along.
MOST_BROKEN = 3
_SMOOTHING = 0.2
_LEAST = 2  # in flight at the slowest: one that is worked on, and the next
# Doubts about key, model or path: another replica may have what this one lacks.
_OF_THE_ADDRESS = ("account", "channel")


def kind_of(request: Request) -> Kind:
    """What a replica must be able to do to answer it: engines that draw do not all edit."""
    if request.makes == "text":
        return "texts"
    return "edits" if request.all_images() else "pictures"


class Replica(Generic[C]):
    """One address, and how it has fared.

    Attributes:
        name: for the log.
        connection: what it is asked through.
        in_flight: requests it is working on.
        down: whether it is set aside since it does not answer.
    """

    def __init__(self, name: str, connection: C) -> None:
        self.name = name
        self.connection = connection
        self.in_flight = 0
        self.down = False
        self.turn = 0  # the last time it was chosen
        self._pace: float | None = None  # seconds from one answer to the next
        self._answered_at = 0.0
        self._failed: set[str] = set()
        self._retry_at = 0.0
        self._rests_until = 0.0
        self._pace_logged = False
        self._lacks: dict[Kind, float] = {}  # until when it is not asked for them

    def pace(self, now: float) -> float | None:
        """Seconds from one of its answers to the next under load; None if it is not known any more."""
        return self._pace if now - self._answered_at < FORGOTTEN else None

    def room(self, most: int, patience: float) -> int:
        """Requests in flight there, all of which it answers in so many seconds by its last known pace.

        Before its first answer nothing tells that it takes more than the least: what waits there until the time-out
        is lost, and it draws it all the same.

        Args:
            most: however fast it is.
            patience: seconds.
        """
        if self._pace is None:
            return most if math.isinf(patience) else min(most, _LEAST)
        if self._pace * most <= patience:
            return most
        room = max(_LEAST, int(patience / self._pace))
        if not self._pace_logged and self.in_flight + 1 >= room:
            self._pace_logged = True
            log.info(
                "%s takes %.3g s for each answer: it is sent %s at a time, so that each is answered within "
                "%.0f s; name a number for another one",
                *(self.name, self._pace, count_of(room, "request"), patience),
            )
        return min(most, room)

    def is_fit(self, kind: Kind, now: float) -> bool:
        """Whether nothing speaks against asking it."""
        return not self.down and kind not in self._lacks and self._rests_until <= now

    def is_due(self, kind: Kind, now: float) -> bool:
        """Whether it was set aside and may be tried again; one that hangs holds one request only."""
        if self.down:
            return self.in_flight == 0 and self._retry_at <= now
        return self._lacks.get(kind, now + 1) <= now

    def asked_again_at(self, kind: Kind) -> float:
        """When it is fit or due again."""
        return max(self._retry_at if self.down else 0.0, self._rests_until, self._lacks.get(kind, 0.0))

    def put_off(self, kind: Kind, until: float) -> None:
        """It is being tried: nothing else tries it before that time."""
        if self.down:
            self._retry_at = until
        if kind in self._lacks:
            self._lacks[kind] = until

    def answered(self, kind: Kind, seconds: float, beside: int, now: float) -> bool:
        """It gave an answer; whether it was set aside until now.

        Args:
            kind: of request.
            seconds: that it took.
            beside: requests in flight there when it began, this one included.
            now: monotonic time.
        """
        # Little's law: with `beside` in flight, one answer comes every `seconds / beside`.
        known, new = self.pace(now), seconds / beside
        self._pace = new if known is None else known + _SMOOTHING * (new - known)
        self._answered_at = now
        self._lacks.pop(kind, None)
        return self.replied()

    def replied(self) -> bool:
        """It is there, whatever it said; whether it was set aside until now."""
        was_down, self.down = self.down, False
        self._failed.clear()
        return was_down

    def failed(self, request_id: str, *, at_once: bool, retry_at: float) -> bool:
        """It could not answer; whether it is now set aside.

        Args:
            request_id: two different ones in a row are enough.
            at_once: so is this one.
            retry_at: when it may be tried again.
        """
        self._failed.add(request_id)
        self._retry_at = retry_at
        if self.down or not (at_once or len(self._failed) > 1):
            return False
        self.down = True
        return True

    def rest(self, until: float) -> None:
        """It asks for fewer requests."""
        self._rests_until = max(self._rests_until, until)

    def lacks(self, kind: Kind, until: float) -> bool:
        """It cannot do this at all; whether that is news."""
        news = kind not in self._lacks
        self._lacks[kind] = until
        return news


class Fleet(Generic[C]):
    """The replicas of one serving.

    Args:
        connections: name → what a replica is asked through.
        width: requests in flight at each.
        probe: seconds between two tries of one that is set aside.
        patience: seconds in which each should answer all that it was sent.
        clock: monotonic seconds.
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
        self._turns = 0

    @property
    def width(self) -> int:
        """Requests in flight that keep every replica busy that is not set aside."""
        return sum(self._room(replica) for replica in self.replicas if not replica.down) or self._width

    async def ask(self, kind: Kind, request_id: str, ask: Callable[[C], Awaitable[Outcome]]) -> Outcome:
        """The answer of one replica, or the failure of all that were asked; and whether any took the connection.

        Args:
            kind: of the request.
            request_id: whose it is.
            ask: sends it to one replica, and says the same of that one.
        """
        tried: list[Replica[C]] = []
        answers: list[Answer] = []
        reached, broken = False, 0
        while True:
            replica = self._choose(kind, tried)
            answer, connected = await self._ask_one(replica, kind, ask)
            failure = answer.error
            if failure is None or connected is None or len(self.replicas) == 1:
                return answer, reached or connected
            tried.append(replica)
            answers.append(answer)
            reached = reached or connected
            broken += connected and failure.outage  # sent, and no answer: the request itself may break replicas
            if not self._passes_on(replica, kind, request_id, failure, connected):
                break
            if broken == MOST_BROKEN or len(tried) == len(self.replicas):
                # A replica that is down may have what the others lack.
                answer = next((each for each in answers if each.error and each.error.kind != "fatal"), answer)
                break
            if failure.kind == "wait" and not self._any_fit(kind, tried):
                break
        if answer.error and answer.error.outage and not all(each.down for each in self.replicas):
            # Of one replica, or of this request: not of the fleet.
            answer = replace(answer, error=replace(answer.error, outage=False))
        return answer, reached

    async def _ask_one(self, replica: Replica[C], kind: Kind, ask: Callable[[C], Awaitable[Outcome]]) -> Outcome:
        began = self._clock()
        self._turns += 1
        replica.turn = self._turns
        replica.in_flight += 1
        beside = replica.in_flight
        try:
            answer, connected = await ask(replica.connection)
        finally:
            replica.in_flight -= 1
        if answer.error is None:
            now = self._clock()
            self._note_return(replica, replica.answered(kind, now - began, beside, now))
        return answer, connected

    def _choose(self, kind: Kind, tried: Sequence[Replica[C]]) -> Replica[C]:
        now = self._clock()
        untried = [replica for replica in self.replicas if replica not in tried]
        if len(self.replicas) == 1:
            return untried[0]
        for replica in untried:
            if replica.is_due(kind, now):
                replica.put_off(kind, now + self._probe)
                return replica
        if fit := [replica for replica in untried if replica.is_fit(kind, now)]:
            known = [pace for replica in self.replicas if (pace := replica.pace(now)) is not None]
            unknown = min(known, default=1.0)

            def wait(replica: Replica[C]) -> tuple[bool, float, int]:
                seconds = (replica.in_flight + 1) * (replica.pace(now) or unknown)
                return replica.in_flight >= self._room(replica), seconds, replica.turn

            return min(fit, key=wait)
        return min(untried, key=lambda replica: (replica.asked_again_at(kind), replica.in_flight))

    def _room(self, replica: Replica[C]) -> int:
        return replica.room(self._width, self._patience)

    def _any_fit(self, kind: Kind, tried: Sequence[Replica[C]]) -> bool:
        now = self._clock()
        return any(replica not in tried and replica.is_fit(kind, now) for replica in self.replicas)

    def _passes_on(self, replica: Replica[C], kind: Kind, request_id: str, failure: Failure, connected: bool) -> bool:
        """Note what a failure says about its replica; whether another one should be asked."""
        now = self._clock()
        if failure.outage:
            at_once = failure.maybe_paid or not connected
            if replica.failed(request_id, at_once=at_once, retry_at=now + self._probe):
                log.warning("%s is set aside and tried again every %g s: %s", replica.name, self._probe, failure)
            return not failure.maybe_paid
        self._note_return(replica, replica.replied())
        if failure.kind == "wait":
            replica.rest(now + max(failure.wait, SHORTEST_REST))
            return True
        if failure.unconfirmed in _OF_THE_ADDRESS:
            if replica.lacks(kind, now + self._probe):
                log.warning("%s is not asked for %s, which go to the other addresses: %s", replica.name, kind, failure)
            return True
        return False

    def _note_return(self, replica: Replica[C], was_down: bool) -> None:
        if was_down:
            log.warning("%s answers again", replica.name)
