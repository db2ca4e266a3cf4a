"""Answers from the loop's thread to the runner's: their order, and when the wait for them ends."""

import threading
import time

from dataflow.core.records import Answer
from dataflow.flow.arrivals import Arrivals
from tests.kit.workers import WAIT


def test_what_has_arrived_is_taken_once_in_order() -> None:
    arrivals = Arrivals()
    for name in "abc":
        arrivals.put(name, Answer(text=name))
    arrivals.wait(WAIT)
    assert [*arrivals.take()] == [(name, Answer(text=name)) for name in "abc"]
    assert [*arrivals.take()] == []


def test_taking_ends_where_the_other_thread_is_to_look_up() -> None:
    arrivals = Arrivals()
    arrivals.put("a", Answer())
    arrivals.wake()
    arrivals.put("b", Answer())
    assert [name for name, _ in arrivals.take()] == ["a"]
    assert [name for name, _ in arrivals.take()] == ["b"]


def test_a_wait_lasts_as_long_as_nothing_arrives_whatever_was_taken_before() -> None:
    arrivals = Arrivals()
    arrivals.put("a", Answer())
    assert len([*arrivals.take()]) == 1
    began = time.monotonic()
    arrivals.wait(0.05)
    assert time.monotonic() - began >= 0.05
    arrivals.put("b", Answer())
    assert [*arrivals.take_all()]
    arrivals.wait(0.05)
    assert time.monotonic() - began >= 0.1


def test_a_wait_ends_with_what_another_thread_puts() -> None:
    arrivals, answers = Arrivals(), Arrivals()

    def echo() -> None:
        for _ in range(200):
            while not (taken := [*arrivals.take()]):
                arrivals.wait(WAIT)
            for name, answer in taken:
                answers.put(name, answer)

    began = time.monotonic()
    thread = threading.Thread(target=echo)
    thread.start()
    for number in range(200):
        arrivals.put(str(number), Answer())
        answers.wait(WAIT)
        assert [name for name, _ in answers.take()] == [str(number)]
    thread.join()
    assert time.monotonic() - began < WAIT
