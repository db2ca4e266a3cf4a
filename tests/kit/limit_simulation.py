"""A pool's limit and a server with a hidden one in virtual time: hours in seconds."""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


def simulate(
    limit: Limit,
    server: HiddenLimit,
    seconds: float,
    *,
    latency: float = 1.0,
    jitter: float = 0.0,
    seed: int = 0,
    tells: bool = False,
    chance: float = 0.0,
    fails: Callable[[float], bool] = never,
    changes: Mapping[float, float] | None = None,
    travel: float = 0.005,
) -> Trace:
    """Ask without end, as fast as the limit lets us.

    Args:
        limit: what is looked at.
        server: what is to be found out.
        seconds: for how long.
        latency: seconds of an answer.
        jitter: its share that varies.
        seed: of the variation.
        tells: the server says when it will let calls in again.
        chance: share of the calls that is refused without reason.
        fails: whether a call at this time ends with HTTP 503.
        changes: what the server's limit becomes, and when.
        travel: seconds one way.
    """
    rng = random.Random(seed)
    trace = Trace()
    events: list[tuple[float, int, str, Call | None, float]] = []
    count = 0
    wake_at = float("inf")

    def push(at: float, kind: str, call: Call | None = None, value: float = 0.0) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (at, count, kind, call, value))

    def arrive(now: float, call: Call | None) -> None:
        if rng.random() < chance:
            trace.refused.append(now)
            push(now + travel, "refused", call)
        elif (wait := server.refuse(now)) is not None:
            trace.refused.append(now)
            push(now + travel, "refused", call, wait if tells else 0.0)
        else:
            failed = fails(now)
            if not failed:
                trace.let_in.append(now)
            took = latency * (1 + jitter * rng.uniform(-1, 1)) * (0.1 if failed else 1.0)
            push(now + took, "leave")
            push(now + took + travel, "failed" if failed else "answered", call)

    for at, value in (changes or {}).items():
        push(at, "change", None, value)
    push(0.0, "wake")
    while events:
        now, _, kind, call, value = heapq.heappop(events)
        if now >= seconds:
            break
        if kind == "wake":
            wake_at = float("inf")
        elif kind == "change":
            server.limit = value
        elif kind == "arrive":
            arrive(now, call)
        elif kind == "leave":
            server.ended()
        else:
            assert call is not None
            if kind == "answered":
                limit.answered(call, now)
            elif kind == "failed":
                limit.troubled(call)
            else:
                limit.refused(call, value, now)
        while (wait := limit.wait(now)) == 0:
            push(now + travel, "arrive", limit.start(now))
        if now + wait < wake_at:
            wake_at = now + wait
            push(wake_at, "wake")
    return trace
