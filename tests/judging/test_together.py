"""Generators side by side: one wave for all, each its own answers."""

import pytest

from dataflow.core.records import Answer, Request
from dataflow.judging.together import Asking, recording_costs, together


def asks(*waves: int) -> Asking[str]:
    heard = []
    for count in waves:
        answers = yield [Request(f"{waves}/{n}", makes="text") for n in range(count)]
        heard += [answer.text for answer in answers]
    return " ".join(heard)


def test_waves_go_out_together_and_each_hears_its_own_answers() -> None:
    run = together([asks(1, 2), asks(), asks(2), asks(0, 1)])
    sent, answers = [], None
    try:
        while True:
            wave = next(run) if answers is None else run.send(answers)
            sent.append([request.prompt for request in wave])
            answers = [Answer(text=request.prompt) for request in wave]
    except StopIteration as stop:
        heard = stop.value
    assert sent == [["(1, 2)/0", "(2,)/0", "(2,)/1"], ["(1, 2)/0", "(1, 2)/1", "(0, 1)/0"]]
    assert heard == ["(1, 2)/0 (1, 2)/0 (1, 2)/1", "", "(2,)/0 (2,)/1", "(0, 1)/0"]


def test_nothing_asks_nothing() -> None:
    with pytest.raises(StopIteration) as stop:
        next(together([]))
    assert stop.value.value == []


def test_costs_are_noted_and_nothing_else_changes() -> None:
    costs: list[int | None] = []
    run = recording_costs(costs, asks(1, 2))
    assert [request.prompt for request in next(run)] == ["(1, 2)/0"]
    assert len(run.send([Answer(text="a", cost=3)])) == 2
    with pytest.raises(StopIteration) as stop:
        run.send([Answer(text="b", cost=None), Answer(text="c")])
    assert (stop.value.value, costs) == ("a b c", [3, None, 0])
