"""What a writer that sees pictures is asked, and what becomes of its answer."""

import json

import pytest

from dataflow.core.records import Answer, Request, Row
from dataflow.errors import AnswerError
from dataflow.operators.core_text.picture_questions import ask_about_pictures, languages_of
from dataflow.taxonomy.picture_brief import PictureBrief
from tests.kit.generators import DOWN, REFUSED, answered

BRIEF = PictureBrief("inverse", "en", ("en",), ("Remove the cup.",))
GOOD = {"description": "A bare table.", "short_en": "Add a cup.", "long_en": "Add a red cup to the table."}


def good(request: Request) -> Answer:
    return Answer(text=json.dumps(GOOD))


def test_two_pictures_are_shown_with_labels_and_one_without() -> None:
    fields, (request,) = answered(ask_about_pictures(BRIEF, ("/a.png", "/b.png")), good)
    assert fields == GOOD
    assert (request.images, request.labels) == (("/a.png", "/b.png"), ("Before:", "After:"))
    assert (request.makes, request.worker) == ("text", "writer")
    _, (alone,) = answered(ask_about_pictures(BRIEF, ("/a.png",)), good)
    assert alone.labels == ()


def test_an_unfit_answer_is_asked_for_once_more_and_then_there_is_a_reason() -> None:
    reason, requests = answered(
        ask_about_pictures(BRIEF, ("/a.png", "/b.png")), lambda request: Answer(text="I cannot.")
    )
    assert len(requests) == 2
    assert reason == "the writer has no instruction for it: it declines instead of answering"


def test_a_refusal_is_a_reason_and_a_writer_that_is_down_fails_the_row() -> None:
    reason, _ = answered(ask_about_pictures(BRIEF, ("/a.png", "/b.png")), lambda request: REFUSED)
    assert reason == "the writer has no instruction for it: against the policy"
    with pytest.raises(AnswerError, match="nobody is there"):
        answered(ask_about_pictures(BRIEF, ("/a.png", "/b.png")), lambda request: DOWN)


@pytest.mark.parametrize(
    ("row", "instruction", "found"),
    [
        ({"language": "zh"}, "Add a cup.", ("zh", ("zh",))),
        ({}, "加一个杯子。", ("zh", ("zh",))),
        ({"language": "fr"}, "Add a cup.", ("en", ("en",))),
        ({}, "12", ("en", ("en",))),
        ({"language": "zh", "instructions": [{"language": "en"}, "odd"]}, "x", ("zh", ("en", "zh"))),
        ({"instructions": "odd"}, "Add a cup.", ("en", ("en",))),
    ],
)
def test_languages_are_those_of_the_columns_or_of_the_letters(
    row: Row, instruction: str, found: tuple[str, tuple[str, ...]]
) -> None:
    assert languages_of(row, instruction) == found
