"""Which jobs share a batch or follow one another, in which order, and that none is passed over for long."""

import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import partial
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.loop import event_loop
from dataflow.core.records import Answer, Job, Request
from dataflow.core.worker import Batching
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.pools.tickets import LONGEST_PASSED_OVER, Ticket, Tickets
from tests.kit.sinks import Notes, jobs
from tests.kit.workers import WAIT, Echo, Gated


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Batches(Echo):
    """Jobs whose prompts begin with the same letter may share a batch."""

    def __init__(self, max_batch: int) -> None:
        super().__init__(width=1, max_batch=max_batch)
        self.batches: list[list[str]] = []

    def batch_key(self, request: Request) -> Hashable:
        return request.prompt[0]

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self.batches.append([job.request.prompt for job in batch])
        return await super().call(batch)


def ticket(name: str) -> Ticket:
    (job,) = jobs([name])
    return Ticket(job, Notes(1), name[0])


def waiting(*, new: str = "", begun: str = "", clock: Clock | None = None) -> Tickets:
    tickets = Tickets(clock or Clock())
    for names, rank in ((new, False), (begun, True)):
        for name in names.split():
            tickets.put(ticket(name), begun=rank)
    return tickets


def take(tickets: Tickets, most: int) -> str:
    return " ".join(taken.job.request.prompt for taken in tickets.take(most))


def test_a_batch_is_the_first_in_line_and_the_next_of_its_key() -> None:
    tickets = waiting(new="a1 b1 a2 c1 a3 a4 b2")
    assert [take(tickets, 3) for _ in range(5)] == ["a1 a2 a3", "b1 b2", "c1", "a4", ""]
    assert len(tickets) == 0


def test_rows_begun_lead_and_come_first_within_their_batch() -> None:
    tickets = waiting(new="a1 b1 a2 b2", begun="b8 c8 b9")
    assert [take(tickets, 3) for _ in range(4)] == ["b8 b9 b1", "c8", "a1 a2", "b2"]


def test_what_rows_begun_pass_over_for_long_goes_next_and_is_itself_in_the_batch() -> None:
    clock = Clock()
    tickets = waiting(new="n1 n2", begun="a1 n8 n9", clock=clock)
    assert take(tickets, 2) == "a1"
    clock.now += LONGEST_PASSED_OVER - 1
    assert take(tickets, 1) == "n8"
    clock.now += 1
    assert take(tickets, 2) == "n1 n9"
    tickets.put(ticket("a2"), begun=True)
    assert take(tickets, 2) == "a2"  # n2 is passed over only from now on
    tickets.put(ticket("a3"), begun=True)
    clock.now += LONGEST_PASSED_OVER
    assert [take(tickets, 2) for _ in range(2)] == ["n2", "a3"]


def test_nothing_new_starves_while_rows_begun_keep_coming() -> None:
    clock = Clock()
    tickets = waiting(new=" ".join(f"n{n}" for n in range(5)), begun="b", clock=clock)
    went = {}
    for second in range(400):
        clock.now += 1
        for taken in tickets.take(1):
            went[taken.job.request.prompt] = second
        tickets.put(ticket("b"), begun=True)
    times = [went[f"n{n}"] for n in range(5)]
    assert all(second - first <= LONGEST_PASSED_OVER + 1 for first, second in pairwise([0, *times]))


def test_a_batch_waits_a_moment_to_be_full_but_not_longer() -> None:
    clock = Clock()
    tickets = waiting(new="a1 b1", clock=clock)
    assert 0 < tickets.wait(2) <= 0.02
    assert tickets.wait(1) == 0
    tickets.put(ticket("b2"), begun=False)
    assert tickets.wait(2) > 0
    tickets.put(ticket("a2"), begun=False)
    assert tickets.wait(2) == 0
    assert tickets.wait(3) > 0
    clock.now += 0.02
    assert tickets.wait(3) == 0
    tickets.put(ticket("a3"), begun=True)
    assert tickets.wait(4) > 0
    assert Tickets(clock).wait(2) == 0


def test_a_batch_that_would_only_lie_ready_waits_longer() -> None:
    clock = Clock()
    tickets = waiting(new="a1", clock=clock)
    assert tickets.wait(2) < 0.02 < 0.5 < tickets.wait(2, ahead=True) <= 1
    clock.now += 0.5
    assert tickets.wait(2) == 0 < tickets.wait(2, ahead=True)
    tickets.put(ticket("a2"), begun=False)
    assert tickets.wait(2, ahead=True) == 0


def test_a_key_that_fills_no_batch_any_more_is_left_for_the_first_in_line() -> None:
    tickets = Tickets(Clock(), grouped=True)
    for name in ("a1", "b1", "a2", "a3", "b2", "a4", "b3", "a5"):
        tickets.put(ticket(name), begun=False)
    taken = []
    while tickets.wait(2) == 0:
        taken.append(take(tickets, 2))
    assert taken == ["a1 a2", "a3 a4", "b1 b2"]
    assert [take(tickets, 2) for _ in range(2)] == ["b3", "a5"]


@given(
    st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.booleans()), st.integers(1, 4))),
    st.integers(1, 4),
)
def test_every_ticket_is_taken_once_in_order_of_its_key(moves: list[tuple[str, bool] | int], most: int) -> None:
    tickets = Tickets(Clock())
    put: dict[tuple[bool, str], list[Ticket]] = defaultdict(list)
    taken_by_key: dict[tuple[bool, str], list[Ticket]] = defaultdict(list)
    rank: dict[Ticket, bool] = {}
    for move in [*moves, *[1] * len(moves)]:
        if isinstance(move, int):
            batch = tickets.take(most)
            assert len(batch) <= most
            assert len({taken.key for taken in batch}) <= 1
            for taken in batch:
                taken_by_key[rank[taken], str(taken.key)].append(taken)
        else:
            made = ticket(move[0])
            rank[made] = move[1]
            put[move[1], move[0]].append(made)
            tickets.put(made, begun=move[1])
    assert taken_by_key == put
    assert tickets.take(most) == []


def test_ten_thousand_tickets_of_as_many_keys_are_no_trouble() -> None:
    tickets = Tickets(Clock())
    sink = Notes(1)
    made = [Ticket(job, sink, number) for number, job in enumerate(jobs(["x"] * 10_000))]
    began = time.process_time()
    for single in made:
        tickets.put(single, begun=False)
    assert [tickets.take(8) for _ in made] == [[single] for single in made]
    assert time.process_time() - began < 1.0  # a search through the line would take minutes


def test_a_pool_calls_its_worker_with_full_batches_of_one_key(executor: LocalExecutor) -> None:
    worker = Batches(4)
    prompts = [f"{'abc'[n % 3]}{n}" for n in range(30)]
    answers = call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)
    assert [answer.text.split("/")[0] for answer in answers] == prompts
    assert all(len({prompt[0] for prompt in batch}) == 1 for batch in worker.batches)
    assert sorted(len(batch) for batch in worker.batches) == [2, 2, 2, 4, 4, 4, 4, 4, 4]


def test_jobs_that_come_one_by_one_share_a_batch(executor: LocalExecutor) -> None:
    worker = Batches(2)
    pool = executor.pool(worker)
    first, both = Notes(1), Notes(2)
    pool.submit(jobs(["a0"]), first, begun=False)
    first.wait()
    for job in jobs(["a1", "a2"]):
        event_loop().call_soon_threadsafe(partial(pool.submit, [job], both, begun=False))
    both.wait()
    assert worker.batches == [["a0"], ["a1", "a2"]]


def test_what_comes_while_another_call_is_worked_on_shares_a_batch(executor: LocalExecutor) -> None:
    class Ahead(Gated):
        async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
            sizes.append(len(batch))
            return await super().call(batch)

    sizes: list[int] = []
    worker = Ahead(width=2, held="held")
    worker.batching = Batching(max_batch=2, ahead=1)
    pool, notes, later = executor.pool(worker), Notes(3), threading.Event()
    held, *others = jobs(["held", "a1", "a2"])
    pool.submit([held], notes, begun=False)
    worker.await_jobs(1)
    for job in others:
        pool.submit([job], notes, begun=False)
        event_loop().call_soon_threadsafe(event_loop().call_later, 0.05, later.set)
        assert later.wait(WAIT)
        later.clear()
    worker.open()
    notes.wait()
    assert sizes == [1, 2]


def grouped(clock: Clock, *, new: str = "", begun: str = "") -> Tickets:
    tickets = Tickets(clock, grouped=True)
    for names, rank in ((new, False), (begun, True)):
        for name in names.split():
            tickets.put(ticket(name), begun=rank)
    return tickets


def test_jobs_of_one_key_follow_one_another_in_their_order() -> None:
    tickets = grouped(Clock(), new="a1 b1 c1 a2 b2 a3")
    assert [take(tickets, 1) for _ in range(7)] == ["a1", "a2", "a3", "b1", "b2", "c1", ""]


def test_rows_begun_still_come_first() -> None:
    tickets = grouped(Clock(), new="a1 a2 b1", begun="b8 a8 b9")
    assert [take(tickets, 1) for _ in range(6)] == ["b8", "b9", "a8", "a1", "a2", "b1"]


def test_the_first_in_line_is_passed_over_for_a_minute_at_most() -> None:
    clock = Clock()
    tickets = grouped(clock, new="a0 b0 c0")
    order = ""
    for second in range(240):
        order += take(tickets, 1)[0]
        clock.now += 1
        tickets.put(ticket(f"a{second + 1}"), begun=False)
    runs = [(key, len(list(run))) for key, run in groupby(order)]
    assert runs[:4] == [("a", LONGEST_PASSED_OVER + 1), ("b", 1), ("c", 1), ("a", 177)]


def test_what_rows_begun_passed_over_waits_no_second_minute_for_its_group() -> None:
    clock = Clock()
    tickets = grouped(clock, new="n1 a1", begun="a8 a9")
    assert take(tickets, 1) == "a8"
    clock.now += LONGEST_PASSED_OVER
    assert [take(tickets, 1) for _ in range(3)] == ["n1", "a9", "a1"]


def test_batches_of_one_key_follow_one_another_too() -> None:
    tickets = grouped(Clock(), new="a1 b1 a2 b2 a3 a4")
    assert [take(tickets, 2) for _ in range(3)] == ["a1 a2", "a3 a4", "b1 b2"]
