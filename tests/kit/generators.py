"""Runs a generator of requests without a flow: a function gives the answer to each request."""

from collections.abc import Callable
from typing import TypeVar

from dataflow.core.records import Answer, Picture, Request
from dataflow.errors import Failure
from dataflow.judging.together import Asking

_T = TypeVar("_T")
REFUSED = Answer(error=Failure("refused", "against the policy"))
DOWN = Answer(error=Failure("failed", "nobody is there"))


def answered(asking: Asking[_T], answer: Callable[[Request], Answer]) -> tuple[_T, list[Request]]:
    """What the generator returns, and its requests in order."""
    requests: list[Request] = []
    try:
        wave = next(asking)
        while True:
            requests += wave
            wave = asking.send([answer(request) for request in wave])
    except StopIteration as stop:
        result: _T = stop.value
        return result, requests


def picture(path: str, *, cost: int | None = 0) -> Answer:
    """An answer with one picture, of which there is no file."""
    return Answer(pictures=(Picture(path, "", 1, 1, 1),), cost=cost)
