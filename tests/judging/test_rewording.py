"""How the next try asks."""

from collections.abc import Callable

import pytest

from dataflow.core.records import Answer, Request
from dataflow.errors import AnswerError, Failure, RowError
from dataflow.judging.rewording import next_prompt
from dataflow.judging.tries import Retry, Task, Try
from dataflow.judging.verdict import Verdict

TASK = Task(("/a.png",), "paint it red", phrasings=("make it red", "turn it red"))
WRONG = Try(0, 0, "paint it red", "/edit.png", Verdict(False, critique="it is blue"))
STILL = Try(0, 0, "paint it red", "/edit.png", Verdict(False, gate="no_op"))


def prompt(retry: Retry, number: int, best: Try = WRONG, *, rewriter: Callable[[Request], Answer] | None = None) -> str:
    asking = next_prompt(retry, TASK, best, number, has_rewriter=rewriter is not None)
    try:
        (request,) = next(asking)
        assert rewriter is not None
        asking.send([rewriter(request)])
    except StopIteration as stop:
        return str(stop.value)
    raise AssertionError("it asks once")


def test_reword_says_the_other_wordings_in_turn_then_what_was_wrong() -> None:
    said = [prompt("reword", number) for number in (1, 2, 3)]
    assert said[:2] == ["make it red", "turn it red"]
    assert said[2].startswith("paint it red\n")
    assert "it is blue" in said[2]


def test_a_rewriter_is_asked_once_the_wordings_are_used_up() -> None:
    asked: list[Request] = []

    def rewriter(request: Request) -> Answer:
        asked.append(request)
        return Answer(text="<think>hm</think>\n colour it red ")

    assert [prompt("reword", number, rewriter=rewriter) for number in (2, 3)] == ["turn it red", "colour it red"]
    (request,) = asked
    assert (request.worker, request.makes, request.repeat) == ("rewriter", "text", 3)
    assert "paint it red" in request.prompt
    assert "it is blue" in request.prompt


def test_a_rewriter_that_says_nothing_or_refuses_leaves_the_critique_and_one_that_is_down_fails_the_row() -> None:
    assert "it is blue" in prompt("reword", 3, rewriter=lambda request: Answer(text=" "))
    assert "it is blue" in prompt("reword", 3, rewriter=lambda request: Answer(error=Failure("refused", "policy")))
    with pytest.raises(AnswerError, match="busy"):
        prompt("reword", 3, rewriter=lambda request: Answer(error=Failure("retry", "busy")))


def test_critique_tells_of_a_gate_in_words() -> None:
    assert "nothing changed" in prompt("critique", 1, STILL)
    assert prompt("critique", 1, Try(0, 0, "", "/edit.png", Verdict(False))) == "paint it red"


def test_resample_asks_the_same() -> None:
    assert prompt("resample", 1) == "paint it red"


def test_a_function_of_ones_own_decides() -> None:
    assert prompt(lambda said, verdict, number: f"{said}, not {verdict.critique}!" * number, 1) == (
        "paint it red, not it is blue!"
    )
    with pytest.raises(RowError, match="returned '' for try 1"):
        prompt(lambda said, verdict, number: "", 1)
