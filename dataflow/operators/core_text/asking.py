"""Asks a model for an answer in a given form, and asks once more if the answer has a fault."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from dataflow.core.records import Request, Turn
from dataflow.errors import UnfitAnswer
from dataflow.judging.together import Asking

_T = TypeVar("_T")


def ask_twice(request: Request, read: Callable[[str], _T]) -> Asking[tuple[_T, str]]:
    """Ask a request, and ask once more if the first answer has a fault.

    Use this function in an operator's generator: `found, fault = yield from ask_twice(request, read)`. The second
    request shows the model its own answer and the fault. In `expects`, count one request, and two at most.

    Args:
        request: a request for text.
        read: makes a value of the answer's text, or raises UnfitAnswer.

    Returns:
        The value that `read` made, and the kind of fault in the first answer; "" if the first answer had none.

    Raises:
        UnfitAnswer: the second answer has a fault, too.
        AnswerError: a request failed.
    """
    (answer,) = yield [request]
    try:
        return read(answer.raise_for_error().text), ""
    except UnfitAnswer as first:
        fault = first
    dialogue = (Turn("user", request.prompt, request.images), Turn("assistant", answer.text))
    correction = f"That will not do: {fault}. Answer the same request again, complete and in the form it asks for."
    (answer,) = yield [replace(request, prompt=correction, images=(), turns=(*request.turns, *dialogue))]
    try:
        return read(answer.raise_for_error().text), fault.fault
    except UnfitAnswer as second:
        raise UnfitAnswer(second.fault, second.short, earlier=fault.fault, said=answer.text) from None
