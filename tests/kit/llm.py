"""Language models of this machine, and what they answered."""

from pathlib import Path

from dataflow.core.records import Answer, Request, Turn
from dataflow.serving.local_llm_serving import LocalLLMServing

ASKED = [
    Request("make the car red", makes="text"),
    Request("a cat", makes="text", turns=(Turn("system", "be very kind and brief"),)),
    Request("what is in this picture", makes="text"),
    Request("how many dogs are there near the old house and the small river", makes="text", seed=3),
    Request("else", makes="text", turns=(Turn("user", "say something"), Turn("assistant", "moon"))),
    Request("dog", makes="text"),
]
"""Requests of different lengths, some with earlier turns."""


def serving(folder: Path, **settings: object) -> LocalLLMServing:
    """A serving of one CPU that writes twelve tokens, unless other settings are given."""
    return LocalLLMServing(folder, **{"device": "cpu", "max_new_tokens": 12, **settings})  # type: ignore[arg-type]


def texts(answers: list[Answer]) -> list[str]:
    """The texts of answers, none of which may have failed."""
    assert [answer.error for answer in answers] == [None] * len(answers)
    return [answer.text for answer in answers]
