"""What a writer is asked who sees edits, and which of its answers will do."""

import json

import pytest

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.picture_brief import BACK, IT, PictureBrief, read_picture_prompt, write_picture_prompt
from dataflow.taxonomy.taxonomy import shipped_taxonomy

OFFERED = [shipped_taxonomy().operations[name] for name in ("recolour", "move")]
NEXT = PictureBrief("next", "en", ("en", "zh"), ("Remove the lamp.",), IT)
ANSWER = {
    "operation": "recolour",
    "description": "A red pear on a table.",
    "short_en": "Make the pear green.",
    "long_en": "Make the red pear on the table green.",
    "short_zh": "把梨变成绿色。",
    "long_zh": "把桌上的红梨变成绿色。",
    "said_en": "Make it green.",
    "said_zh": "把它变成绿色。",
}


@pytest.mark.parametrize("asks", ["inverse", "joint", "next"])
def test_the_brief_can_be_read_back_from_the_prompt(asks: str) -> None:
    brief = PictureBrief(asks, "zh", ("zh",), ("a", "b"), BACK, 2)  # type: ignore[arg-type]
    assert read_picture_prompt(write_picture_prompt(brief, OFFERED)) == (brief, ("recolour", "move"))
    assert read_picture_prompt("any other prompt") is None


def test_a_prompt_tells_what_was_said_and_how_the_turn_refers_to_it() -> None:
    told = write_picture_prompt(NEXT, OFFERED)
    assert '1. "Remove the lamp."' in told
    assert 'calls "it"' in told
    back = write_picture_prompt(PictureBrief("next", "en", ("en",), (), BACK, 2), OFFERED)
    assert "goes back to version 2, which is the picture shown" in back
    assert "The user" not in write_picture_prompt(PictureBrief("inverse", "en", ("en",), ("a",)))


def test_an_answer_has_what_the_user_says_beside_what_is_whole_in_itself() -> None:
    assert NEXT.read(json.dumps(ANSWER), OFFERED) == ANSWER
    between = PictureBrief("joint", "en", ("en",), ("a", "b"))
    assert [*between.read(json.dumps(ANSWER))] == ["description", "short_en", "long_en"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"operation": "paint"}, "unknown_operation"),
        ({"said_zh": "Make it green."}, "wrong_language"),
        ({"said_en": ""}, "missing_field"),
        ({"long_en": "Green."}, "not_shorter"),
    ],
)
def test_an_answer_that_will_not_do_is_told_why(changed: dict[str, str], fault: str) -> None:
    with pytest.raises(UnfitAnswer) as caught:
        NEXT.read(json.dumps({**ANSWER, **changed}), OFFERED)
    assert caught.value.fault == fault
