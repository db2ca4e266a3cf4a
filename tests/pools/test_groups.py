"""In which order jobs of several keys go out where they should follow one another."""

from itertools import groupby

from dataflow.pools.tickets import LONGEST_PASSED_OVER, Tickets
from tests.pools.test_batching import Clock, take, ticket


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
