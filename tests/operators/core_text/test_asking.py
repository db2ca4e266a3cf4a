"""One question, and once more with what was wrong."""

from collections.abc import Sequence

import pytest

from dataflow.core.records import Answer, Request, Turn
from dataflow.errors import Failure, UnfitAnswer
from dataflow.operators.core_text.asking import ask_twice
from tests.kit.failing import fails


def number(text: str) -> int:
    if not text.isdigit():
        raise UnfitAnswer("no_number", f"{text!r} is no number")
    return int(text)


def asked(answers: Sequence[Answer]) -> tuple[list[Request], tuple[int, str]]:
    """What is asked while these answers come, and what comes of it."""
    asking, left = ask_twice(Request("How many?", ("a.png",), "text"), number), list(answers)
    requests: list[Request] = []
    try:
        requests += next(asking)
        while True:
            requests += asking.send([left.pop(0)])
    except StopIteration as stop:
        return requests, stop.value


def test_a_good_answer_is_the_end_of_it() -> None:
    assert asked([Answer(text="7")]) == ([Request("How many?", ("a.png",), "text")], (7, ""))


def test_the_second_time_the_model_sees_its_answer_and_the_fault() -> None:
    requests, found = asked([Answer(text="seven"), Answer(text="7")])
    assert found == (7, "no_number")
    assert requests[1].turns == (Turn("user", "How many?", ("a.png",)), Turn("assistant", "seven"))
    assert requests[1].prompt.startswith("That will not do: 'seven' is no number.")
    assert requests[1].images == ()


def test_the_second_fault_is_raised_with_the_first_beside_it() -> None:
    with pytest.raises(UnfitAnswer, match="'eight' is no number") as error:
        asked([Answer(text="seven"), Answer(text="eight")])
    assert (error.value.fault, error.value.earlier, error.value.said) == ("no_number", "no_number", "eight")


def test_no_answer_is_raised_as_it_is() -> None:
    with fails("refused", match="no"):
        asked([Answer(error=Failure("refused", "no"))])
