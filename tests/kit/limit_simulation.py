"""A pool's limit and a server with a hidden one in virtual time: hours in seconds."""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dataflow.pools.limits import Call, Limit
from tests.kit.hidden_limits import HiddenLimit


@dataclass(slots=True)
class Trace:
    """When the server let calls in, refused them, or failed otherwise, in seconds."""

    let_in: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def between(self, begin: float, end: float) -> tuple[int, int]:
        """Calls let in and refused."""
        return sum(begin <= at < end for at in self.let_in), sum(begin <= at < end for at in self.refused)


def never(now: float) -> bool:
    """No call fails."""
    return False


@dataclass(slots=True, kw_only=True)
class World:
    """What a server and the way to it do beside the hidden limit.

    Args:
        latency: seconds of an answer.
        jitter: its share that varies.
        seed: of the variation.
        tells: the server says when it will let calls in again.
        chance: share of the calls that is refused without reason.
        fails: whether a call at this time ends with HTTP 503.
        changes: what the server's limit becomes, and when.
        travel: seconds one way.
    """

    latency: float = 1.0
    jitter: float = 0.0
    seed: int = 0
    tells: bool = False
    chance: float = 0.0
    fails: Callable[[float], bool] = never
    changes: Mapping[float, float] = field(default_factory=dict)
    travel: float = 0.005


class _Simulation:
    """Events in the order of their time: calls arrive, leave the server, and their replies come back."""

    def __init__(self, limit: Limit, server: HiddenLimit, world: World) -> None:
        self.trace = Trace()
        self._limit, self._server, self._world = limit, server, world
        self._rng = random.Random(world.seed)
        self._events: list[tuple[float, int, str, Call | None, float]] = []
        self._count = 0
        self._wake_at = float("inf")

    def run(self, seconds: float) -> None:
        for at, value in self._world.changes.items():
            self._push(at, "change", None, value)
        self._push(0.0, "wake")
        while self._events:
            now, _, kind, call, value = heapq.heappop(self._events)
            if now >= seconds:
                break
            self._happen(now, kind, call, value)
            self._start(now)

    def _push(self, at: float, kind: str, call: Call | None = None, value: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, kind, call, value))

    def _happen(self, now: float, kind: str, call: Call | None, value: float) -> None:
        if kind == "wake":
            self._wake_at = float("inf")
        elif kind == "change":
            self._server.limit = value
        elif kind == "arrive":
            self._arrive(now, call)
        elif kind == "leave":
            self._server.ended()
        else:
            assert call is not None
            if kind == "answered":
                self._limit.answered(call, now)
            elif kind == "failed":
                self._limit.failed(call)
            else:
                self._limit.refused(call, value, now)

    def _arrive(self, now: float, call: Call | None) -> None:
        world = self._world
        if self._rng.random() < world.chance:
            self.trace.refused.append(now)
            self._push(now + world.travel, "refused", call)
        elif (wait := self._server.refuse(now)) is not None:
            self.trace.refused.append(now)
            self._push(now + world.travel, "refused", call, wait if world.tells else 0.0)
        else:
            failed = world.fails(now)
            if not failed:
                self.trace.let_in.append(now)
            took = world.latency * (1 + world.jitter * self._rng.uniform(-1, 1)) * (0.1 if failed else 1.0)
            self._push(now + took, "leave")
            self._push(now + took + world.travel, "failed" if failed else "answered", call)

    def _start(self, now: float) -> None:
        """Start as many calls as the limit lets, and wake when it will let another."""
        while (wait := self._limit.wait(now)) == 0:
            self._push(now + self._world.travel, "arrive", self._limit.start(now))
        if now + wait < self._wake_at:
            self._wake_at = now + wait
            self._push(self._wake_at, "wake")


def simulate(limit: Limit, server: HiddenLimit, seconds: float, **world: Any) -> Trace:
    """Ask for so many seconds, as fast as the limit lets us, of a server in a `World` of these settings."""
    simulation = _Simulation(limit, server, World(**world))
    simulation.run(seconds)
    return simulation.trace


def share(trace: Trace, begin: float, end: float, most: float) -> float:
    """Give the calls that the server accepted between two times, as a share of the `most` that it takes."""
    return trace.between(begin, end)[0] * 60 / (end - begin) / most


def is_polite(trace: Trace, begin: float, end: float) -> bool:
    """Say whether the server refused at most 2 % of the calls between two times, or two a minute."""
    let_in, refused = trace.between(begin, end)
    return refused <= max(2 * (end - begin) / 60, 0.02 * (let_in + refused))
