"""Asks a judge which of two edits is better, in both orders, since judges prefer one position whatever stands there."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Answer, Request
from dataflow.core.worker import JUDGE
from dataflow.errors import UnfitAnswer
from dataflow.judging.answers import read_choice
from dataflow.judging.judge import source_labels
from dataflow.judging.together import Asking
from dataflow.taxonomy.marked import read_marked

BETTER, CHOICES = "better", ("A", "B")


def prefers(sources: Sequence[str], first: str, second: str, instruction: str) -> Asking[bool]:
    """Ask whether the second edit is better than the first: True only if the judge says so in both orders.

    Args:
        sources: paths of the source pictures.
        first: path of the first edit.
        second: path of the second edit.
        instruction: the instruction of the row.

    Raises:
        AnswerError: a request failed.
    """
    answers = yield [_request(sources, pair, instruction) for pair in ((first, second), (second, first))]
    return [_choice(answer) for answer in answers] == ["B", "A"]


def pair_prompt(instruction: str) -> str:
    """Return the prompt that asks which of two edits by one instruction is better."""
    _, prompt = _question()
    return prompt.replace("{instruction}", instruction.replace("</", "< /"))


def pair_labels(sources: int) -> tuple[str, ...]:
    """Return the text before each picture in the request: before the source pictures, and before the two edits."""
    return (*source_labels(sources), *(f"Picture {name}:" for name in CHOICES))


def _request(sources: Sequence[str], pair: tuple[str, str], instruction: str) -> Request:
    words, _ = _question()
    fields: dict[str, JSON] = {word: {"type": "string"} for word in words}
    fields[BETTER] = {"type": "string", "enum": list(CHOICES)}
    schema: JSON = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return Request(
        pair_prompt(instruction),
        (*sources, *pair),
        makes="text",
        worker=JUDGE,
        schema=orjson.dumps(schema).decode(),
        labels=pair_labels(len(sources)),
    )


def _choice(answer: Answer) -> str:
    """Return "A" or "B", or "" if the judge refused or its answer cannot be read."""
    if answer.error is not None and answer.error.kind == "refused":
        return ""
    try:
        return read_choice(answer.raise_for_error().text, BETTER, CHOICES)
    except UnfitAnswer:
        return ""


@cache
def _question() -> tuple[tuple[str, ...], str]:
    fields = read_marked(Path(__file__).with_name("rubrics") / "pair.yaml").known(required=("words", "prompt"))
    return tuple(each.text() for each in fields["words"].items()), fields["prompt"].text().strip()
