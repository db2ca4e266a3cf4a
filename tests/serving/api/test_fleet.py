"""Who of several addresses gets a request, and who takes it over when one fails.

Engines that draw one picture after another are simulated in virtual time.
"""

import asyncio
import heapq
import math
from collections.abc import Callable

import pytest

from dataflow.core.records import Answer, Request, Turn
from dataflow.errors import Failure
from dataflow.serving.api.fleet import SPEED_VALID_SECONDS, Fleet, Replica, RequestKind, request_kind

EACH = 4
PROBE = 30.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Draws one picture after another, each in `seconds`."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.seconds = seconds
        self.asked = 0
        self._clock = clock
        self._free_at = clock.now

    def finish(self) -> float:
        self.asked += 1
        self._free_at = max(self._clock.now, self._free_at) + self.seconds
        return self._free_at


def simulate(*seconds: float, requests: int, in_flight: int) -> tuple[list[int], float]:
    """How many requests each engine got, and how long all took, with so many in flight at once."""
    clock = Clock()
    engines = [Engine(clock, each) for each in seconds]
    ends: list[tuple[float, int, asyncio.Future[None]]] = []

    async def ask(engine: Engine) -> tuple[Answer, bool]:
        end = asyncio.get_running_loop().create_future()
        heapq.heappush(ends, (engine.finish(), len(ends) + 1000 * engines.index(engine), end))
        await end
        return Answer(text="x"), True

    async def run() -> None:
        fleet = Fleet({str(n): engine for n, engine in enumerate(engines)}, width=EACH, probe=PROBE, clock=clock)
        places = asyncio.Semaphore(in_flight)

        async def one(number: int) -> None:
            async with places:
                await fleet.ask("pictures", str(number), ask)

        tasks = [asyncio.create_task(one(number)) for number in range(requests)]
        while not all(task.done() for task in tasks):
            for _ in range(10):
                await asyncio.sleep(0)
            if ends:
                clock.now, _, end = heapq.heappop(ends)
                end.set_result(None)

    began = clock.now
    asyncio.run(run())
    return [engine.asked for engine in engines], clock.now - began


class Scripted:
    """A fleet of a and b, or more, in virtual time; each does what is said of it."""

    def __init__(self, names: str = "ab") -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.says: dict[str, Callable[[], tuple[Failure | None, bool | None]]] = {}
        self.fleet = Fleet({name: name for name in names}, width=EACH, probe=PROBE, clock=self.clock)

    def ask(self, request_id: str = "r", kind: RequestKind = "edits") -> Answer:
        async def one(name: str) -> tuple[Answer, bool | None]:
            self.asked.append(name)
            error, connected = self.says.get(name, fine)()
            return Answer(error=error), connected

        return asyncio.run(self.fleet.ask(kind, request_id, one))[0]

    def asks(self, times: int, kind: RequestKind = "edits") -> str:
        """Which were asked for so many requests."""
        self.asked.clear()
        for number in range(times):
            self.ask(f"{self.clock.now}/{number}", kind)
        return "".join(self.asked)


def fine() -> tuple[None, bool]:
    return None, True


def refused() -> tuple[Failure, bool]:
    return Failure("retry", "no connection", outage=True), False


def lost() -> tuple[Failure, bool]:
    return Failure("retry", "no answer", outage=True, maybe_paid=True, retries=1), True


def broken() -> tuple[Failure, bool]:
    return Failure("retry", "HTTP 503", outage=True), True


def lacking() -> tuple[Failure, bool]:
    return Failure("fatal", "no /images/edits", unconfirmed="account"), True


def test_equal_engines_get_as_many():
    counts, seconds = simulate(1.0, 1.0, 1.0, requests=300, in_flight=3 * EACH)
    assert max(counts) - min(counts) <= 2
    assert seconds <= 103


def test_an_engine_five_times_slower_gets_a_fifth_and_nobody_idles():
    (slow, *fast), seconds = simulate(1.0, 0.2, 0.2, requests=1100, in_flight=3 * EACH)
    assert all(0.19 * each <= slow <= 0.21 * each for each in fast)
    assert seconds <= 1.05 * 1100 / (1 + 5 + 5)


def test_with_few_in_flight_the_slow_engine_gets_hardly_any():
    (slow, fast), seconds = simulate(1.0, 0.2, requests=500, in_flight=3)
    assert slow <= 0.21 * fast
    assert seconds <= 1.1 * 500 / 5


def test_a_dead_replica_is_left_alone_and_tried_by_one_request_every_30_seconds():
    fleet = Scripted()
    fleet.says["a"] = refused
    assert fleet.asks(1) == "ab"
    assert fleet.asks(4) == "bbbb"
    fleet.clock.now += PROBE - 1
    assert fleet.asks(2) == "bb"
    fleet.clock.now += 1
    assert fleet.asks(3) == "abbb"
    fleet.clock.now += PROBE
    del fleet.says["a"]
    assert fleet.asks(1) == "a"
    assert sorted(fleet.asks(2)) == ["a", "b"]


def test_what_may_have_been_paid_goes_to_no_other_replica_by_itself():
    fleet = Scripted()
    fleet.says["a"] = lost
    error = fleet.ask().error
    assert (fleet.asked, error.maybe_paid) == (["a"], True)
    assert not error.outage, "the other replica is up: not the fleet's outage"
    assert fleet.asks(3) == "bbb"


def test_an_outage_is_the_fleets_only_when_all_are_down():
    fleet = Scripted()
    fleet.says = {"a": broken, "b": broken}
    assert [fleet.ask(f"row {n}").error.outage for n in range(3)] == [False, True, True]
    assert fleet.fleet.width == EACH
    del fleet.says["b"]
    assert (fleet.ask("row 3").error, fleet.fleet.width) == (None, EACH)


def test_a_request_that_breaks_every_replica_visits_three_and_sets_none_aside():
    fleet = Scripted("abcde")
    fleet.says = dict.fromkeys("abcde", broken)
    for _ in range(5):
        fleet.asked.clear()
        assert not fleet.ask("poison").error.outage
        assert len(fleet.asked) == 3
    assert fleet.fleet.width == 5 * EACH


def test_a_replica_without_edits_still_draws_and_is_fatal_only_if_none_edits():
    fleet = Scripted()
    fleet.says["a"] = lacking
    assert fleet.asks(3) == "abbb"
    del fleet.says["a"]
    assert sorted(fleet.asks(2, "pictures")) == ["a", "b"]
    fleet.says = {"a": lacking, "b": refused}
    assert fleet.ask().error.kind == "retry", "b may edit once it is back"
    fleet.says["b"] = lacking
    fleet.clock.now += PROBE
    assert fleet.ask("another").error.kind == "fatal"


def test_a_replica_that_asks_for_fewer_rests_as_long_as_it_says():
    fleet = Scripted()
    fleet.says["a"] = lambda: (Failure("wait", "full", wait=5.0), True)
    assert fleet.asks(3) == "abbb"
    fleet.says["b"] = lambda: (Failure("wait", "full"), True)
    assert fleet.ask().error.kind == "wait"
    fleet.says.clear()
    fleet.clock.now += 5
    assert sorted(fleet.asks(2)) == ["a", "b"]


def test_refusals_go_to_nobody_else_and_speak_for_the_replica():
    fleet = Scripted()
    fleet.says["a"] = lambda: (Failure("refused", "policy"), True)
    assert fleet.ask().error.kind == "refused"
    assert fleet.asked == ["a"]
    assert fleet.fleet.width == 2 * EACH


def test_a_replica_that_hangs_holds_no_second_request():
    replica = Replica("a", None)
    replica.note_outage("r", at_once=True, retry_at=10.0)
    replica.in_flight = 1
    assert not replica.is_retry_due("edits", 10.0)
    replica.in_flight = 0
    assert replica.is_retry_due("edits", 10.0)


def test_nothing_sent_says_nothing_of_the_replica():
    fleet = Scripted()
    fleet.says["a"] = refused
    fleet.ask()
    fleet.clock.now += PROBE
    fleet.says["a"] = lambda: (Failure("retry", "cannot read picture", retries=0), None)
    fleet.ask("bad row")
    assert fleet.fleet.width == EACH, "a is still aside"


def test_a_replica_that_was_slow_long_ago_gets_another_chance():
    fleet = Scripted()
    a, b = fleet.fleet.replicas
    a.note_answer("edits", 100.0, 1, fleet.clock.now)
    b.note_answer("edits", 1.0, 1, fleet.clock.now)
    assert fleet.asks(3) == "bbb"
    fleet.clock.now += SPEED_VALID_SECONDS
    assert "a" in fleet.asks(2)


def test_an_engines_queue_is_as_long_as_it_answers_in_time():
    engine = Replica("a", "a")
    assert (engine.capacity(16, 200.0), engine.capacity(1, 200.0), engine.capacity(256, math.inf)) == (
        2,
        1,
        256,
    )  # nothing is known
    engine.note_answer("edits", 40.0, 1, now=0.0)
    assert (engine.capacity(16, 200.0), engine.capacity(4, 200.0), engine.capacity(256, math.inf)) == (5, 4, 256)
    engine.note_answer("edits", 500.0, 1, now=500.0)  # more than SPEED_VALID_SECONDS later, and it still counts
    assert engine.capacity(16, 200.0) == 2
    engine.note_answer("edits", 6.0, 2, now=506.0)
    assert engine.capacity(16, 200.0) == 2
    engine.note_answer("edits", 6.0, 2, now=600.0)
    assert engine.capacity(16, 200.0) == 16


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (Request("x"), "pictures"),
        (Request("x", ("/a.png",)), "edits"),
        (Request("x", turns=(Turn("user", "before", ("/a.png",)),)), "edits"),
        (Request("x", ("/a.png",), makes="text"), "texts"),
    ],
)
def test_a_request_needs_a_replica_that_edits_draws_or_writes(request_, kind):
    assert request_kind(request_) == kind
