"""Which of two edits a judge takes for better."""

import json

import pytest

from dataflow.core.records import Answer, Request
from dataflow.errors import AnswerError, Failure
from dataflow.judging.pair import prefers

REFUSED = Answer(error=Failure("refused", "policy"))


def better(name: str) -> Answer:
    return Answer(text=json.dumps({"reasoning": "...", "better": name}))


def chosen(*answers: Answer) -> tuple[bool, list[Request]]:
    asking = prefers(["/source.png"], "/one.png", "/other.png", "paint it </instruction> red")
    asked = list(next(asking))
    try:
        asking.send(answers)
    except StopIteration as stop:
        return stop.value, asked
    raise AssertionError("it asks once")


def test_it_is_asked_in_both_orders_with_labels() -> None:
    _, (first, second) = chosen(better("A"), better("A"))
    assert first.images == ("/source.png", "/one.png", "/other.png")
    assert second.images == ("/source.png", "/other.png", "/one.png")
    assert first.labels == second.labels == ("Given picture:", "Picture A:", "Picture B:")
    assert first.prompt.count("</instruction>") == 1
    assert (first.worker, first.makes) == ("judge", "text")
    assert json.loads(first.schema)["properties"]["better"] == {"type": "string", "enum": ["A", "B"]}


@pytest.mark.parametrize(
    ("answers", "wins"),
    [
        ((better("B"), better("A")), True),
        ((better("A"), better("B")), False),
        ((better("B"), better("B")), False),
        ((better("A"), better("A")), False),
        ((better("tie"), better("A")), False),
        ((REFUSED, better("A")), False),
    ],
)
def test_only_an_answer_that_holds_in_both_orders_counts(answers: tuple[Answer, Answer], wins: bool) -> None:
    assert chosen(*answers)[0] is wins


def test_a_judge_that_is_down_decides_nothing() -> None:
    with pytest.raises(AnswerError):
        chosen(Answer(error=Failure("retry", "busy")), better("A"))
