"""The answers of a batch on disk: whose each line is, and what comes back of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import orjson
import pytest

from dataflow.serving.api.batches.answers import Answers
from dataflow.serving.api.batches.openai import OpenAIBatches

ONE, TWO = "0a" * 16, "0b" * 16
Made = Callable[..., Answers]


def line(request_id: str, words: str, *, first: bool = True) -> bytes:
    response = {"status_code": 200, "body": {"words": words}}
    named: dict[str, object] = {"custom_id": request_id}
    entry = {**named, "response": response} if first else {"response": response, **named}
    return orjson.dumps(entry) + b"\n"


@pytest.fixture
def answers_of(tmp_path: Path) -> Iterator[Made]:
    with ExitStack() as stack:

        def made(*lines: bytes) -> Answers:
            answers = stack.enter_context(closing(Answers(tmp_path / "made", OpenAIBatches(None))))  # type: ignore[arg-type]
            answers.file.writelines(lines)
            answers.index()
            return answers

        yield made


def words_of(answers: Answers, request_id: str, secret: bytes = b"") -> str:
    found = answers.line(request_id, secret)
    assert found is not None
    assert found.attempt is not None
    assert found.request_id == request_id
    words: str = orjson.loads(found.attempt.body)["words"]
    return words


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_line_is_found_by_the_id_at_either_end_of_it(answers_of: Made, size: int, first: bool) -> None:
    answers = answers_of(line(ONE, "x" * size, first=first), line(TWO, "y", first=first))
    assert (words_of(answers, ONE), words_of(answers, TWO)) == ("x" * size, "y")


def test_an_id_in_a_models_words_is_none(answers_of: Made) -> None:
    answers = answers_of(line(ONE, f'"custom_id":"{TWO}"', first=False))
    assert answers.line(TWO, b"") is None
    assert words_of(answers, ONE) == f'"custom_id":"{TWO}"'


def test_of_two_lines_for_one_request_the_first_counts(answers_of: Made) -> None:
    assert words_of(answers_of(line(ONE, "good"), b"torn\n", line(ONE, "error")), ONE) == "good"


def test_a_request_without_a_line_has_none(answers_of: Made) -> None:
    assert answers_of(line(ONE, "x")).line(TWO, b"") is None


def test_the_key_is_cut_out_and_no_file_has_a_name(answers_of: Made, tmp_path: Path) -> None:
    answers = answers_of(line(ONE, "your key is sk-123456789012"))
    assert words_of(answers, ONE, b"sk-123456789012") == "your key is [key]"
    assert list((tmp_path / "made").iterdir()) == []
