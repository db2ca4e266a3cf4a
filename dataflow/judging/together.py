"""Runs generators of requests within another generator: several side by side in common waves, or one with changes."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from dataflow.core.records import Answer, Request

_T = TypeVar("_T")
Asking = Generator[Sequence[Request], Sequence[Answer], _T]


def together(parts: Sequence[Asking[_T]]) -> Asking[list[_T]]:
    """Run several generators side by side: each wave has the next waves of all that have not ended.

    Each generator receives the answers to its own requests.

    Returns:
        What the generators return, in their order.
    """
    results: dict[int, _T] = {}
    waves: dict[int, Sequence[Request]] = {}  # index of a generator that has not ended → its wave

    def advance(index: int, answers: Sequence[Answer] | None) -> None:
        try:
            waves[index] = next(parts[index]) if answers is None else parts[index].send(answers)
        except StopIteration as stop:
            waves.pop(index, None)
            results[index] = stop.value

    for index in range(len(parts)):
        advance(index, None)
    while waves:
        answers = yield [request for wave in waves.values() for request in wave]
        begin = 0
        for index, wave in list(waves.items()):
            advance(index, answers[begin : begin + len(wave)])
            begin += len(wave)
    return [results[index] for index in range(len(parts))]


def recording_costs(costs: list[int | None], asking: Asking[_T]) -> Asking[_T]:
    """Run a generator, and append the cost of each of its answers to `costs`, in billionths; None: not known."""
    return _relayed(asking, lambda request: request, lambda answer: costs.append(answer.cost))


def asked_as(names: Mapping[str, str], asking: Asking[_T]) -> Asking[_T]:
    """Run a generator, and send its requests to workers of other names.

    Args:
        names: name of a worker in the generator's requests → name of the worker in the operator.
        asking: the generator.
    """
    return _relayed(asking, lambda request: replace(request, worker=names.get(request.worker, request.worker)))


def asked_anew(asking: Asking[_T]) -> Asking[_T]:
    """Run a generator, and ask its requests although the journal may have their answers."""
    return _relayed(asking, lambda request: replace(request, anew=True))


def _relayed(
    asking: Asking[_T], ask: Callable[[Request], Request], heard: Callable[[Answer], None] = lambda answer: None
) -> Asking[_T]:
    """Run a generator; `ask` changes each of its requests, and `heard` is called with each answer."""
    answers: Sequence[Answer] | None = None
    while True:
        try:
            wave = next(asking) if answers is None else asking.send(answers)
        except StopIteration as stop:
            result: _T = stop.value
            return result
        answers = yield [ask(request) for request in wave]
        for answer in answers:
            heard(answer)
