"""Asks for an answer that can be checked, and once more with what was wrong with it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from dataflow.core.records import Answer, Request, Turn
from dataflow.errors import UnfitAnswer

_T = TypeVar("_T")
Asking = Generator[Sequence[Request], Sequence[Answer], _T]


def ask_twice(request: Request, read: Callable[[str], _T]) -> Asking[tuple[_T, str]]:
    """What `read` makes of the answer, and the kind of fault in the first answer, "" if there was none.

    Use it in an operator's generator: `found, fault = yield from ask_twice(request, read)`. The second time
    the model sees its own answer and what is wrong with it.
    The operator `expects` one request of it, and two at most.

    Args:
        request: a text request.
        read: makes a value of the answer's text, or raises UnfitAnswer.

    Raises:
        UnfitAnswer: the second answer will not do either.
        AnswerError: there was no answer.
    """
    (answer,) = yield [request]
    try:
        return read(answer.raise_for_error().text), ""
    except UnfitAnswer as first:
        fault = first
    said = (Turn("user", request.prompt, request.images), Turn("assistant", answer.text))
    again = f"That will not do: {fault}. Answer the same request again, complete and in the form it asks for."
    (answer,) = yield [replace(request, prompt=again, images=(), turns=(*request.turns, *said))]
    try:
        return read(answer.raise_for_error().text), fault.fault
    except UnfitAnswer as second:
        raise UnfitAnswer(second.fault, second.short, earlier=fault.fault, said=answer.text) from None
