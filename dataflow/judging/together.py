"""Generators that ask, in another: several side by side, all in one wave, or one with its costs."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from dataflow.core.records import Answer, Request

_T = TypeVar("_T")
Asking = Generator[Sequence[Request], Sequence[Answer], _T]


def together(parts: Sequence[Asking[_T]]) -> Asking[list[_T]]:
    """What each of the generators returns, in their order; each sees the answers to its own requests alone."""
    results: dict[int, _T] = {}
    waves: dict[int, Sequence[Request]] = {}

    def go_on(at: int, answers: Sequence[Answer] | None) -> None:
        try:
            waves[at] = next(parts[at]) if answers is None else parts[at].send(answers)
        except StopIteration as stop:
            waves.pop(at, None)
            results[at] = stop.value

    for at in range(len(parts)):
        go_on(at, None)
    while waves:
        answers = yield [request for wave in waves.values() for request in wave]
        begin = 0
        for at, wave in list(waves.items()):
            go_on(at, answers[begin : begin + len(wave)])
            begin += len(wave)
    return [results[at] for at in range(len(parts))]


def noting(costs: list[int | None], asking: Asking[_T]) -> Asking[_T]:
    """What a generator returns; what each of its answers cost is appended to the list."""
    return _relayed(asking, lambda request: request, lambda answer: costs.append(answer.cost))


def asked_as(names: Mapping[str, str], asking: Asking[_T]) -> Asking[_T]:
    """What a generator returns; its requests go to workers of other names.

    Args:
        names: as it knows them → as the operator does.
        asking: the generator.
    """
    return _relayed(asking, lambda request: replace(request, worker=names.get(request.worker, request.worker)))


def asked_anew(asking: Asking[_T]) -> Asking[_T]:
    """What a generator returns; answers of earlier runs do not count."""
    return _relayed(asking, lambda request: replace(request, anew=True))


def _relayed(
    asking: Asking[_T], ask: Callable[[Request], Request], heard: Callable[[Answer], None] = lambda answer: None
) -> Asking[_T]:
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
