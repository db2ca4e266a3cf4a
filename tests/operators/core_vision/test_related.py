"""Rows that are made of other rows: their ids, and what an unjudged one comes to."""

import json
from dataclasses import replace

import pytest

from dataflow.core.records import Answer, Request, Row
from dataflow.errors import RowError
from dataflow.judging.judge import make_judge
from dataflow.judging.rubric import Kind
from dataflow.operators.base import Columns
from dataflow.operators.core_vision.related import Edit, Related, edit_of, kind_columns, make_related, with_id
from dataflow.taxonomy.picture_brief import PictureBrief
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from tests.kit.generators import answered
from tests.kit.workers import Echo

EDIT = Edit(("/a/before.png",), "Make it red.", ("/a/after.png",))
COLUMNS = Columns(("images", "conversations", "edited_images"), labels=("verdict",))
BRIEF = PictureBrief("inverse", "en", ("en",), ("Make it red.",))
WRITTEN = {"description": "A cup.", "short_en": "Blue it.", "long_en": "Make the cup blue again, all over."}


def made(verdict: Answer) -> Related | str:
    def answer(request: Request) -> Answer:
        return Answer(text=json.dumps(WRITTEN)) if request.worker == "writer" else verdict

    judge = make_judge(Echo(), None, 7.0, canaries=False, asks=1)
    found, _ = answered(
        make_related("inverse", {"id": "parent"}, replace(EDIT, instruction=""), BRIEF, Kind(), judge, COLUMNS), answer
    )
    return found


def test_an_id_is_the_same_wherever_the_pictures_lie_and_another_for_another_edit() -> None:
    assert replace(EDIT, sources=("/elsewhere/before.png",)).id == EDIT.id
    assert len(EDIT.id) == 32
    others = [
        replace(EDIT, instruction="Make it blue."),
        replace(EDIT, sources=EDIT.edits, edits=EDIT.sources),
        replace(EDIT, edits=("/a/other.png",)),
    ]
    assert len({EDIT.id, *(each.id for each in others)}) == 4


def test_an_edit_is_read_from_the_columns_and_another_form_fails_the_row() -> None:
    row: Row = {"images": "/a/before.png", "conversations": ["x", "Make it red."], "edited_images": ["/a/after.png"]}
    assert edit_of(row, COLUMNS) == EDIT
    with pytest.raises(RowError, match="`edited_images` holds 5"):
        edit_of({**row, "edited_images": 5}, COLUMNS)


@pytest.mark.parametrize(("own", "kept"), [({}, "new"), ({"id": ""}, "new"), ({"id": 0}, 0), ({"id": "mine"}, "mine")])
def test_a_row_keeps_the_id_and_the_relation_that_it_has(own: Row, kept: object) -> None:
    assert with_id(own, "forward", "new") == {**own, "id": kept, "relation": "forward"}
    assert with_id({**own, "relation": "turn"}, "forward", "new")["relation"] == "turn"


def test_a_new_row_names_its_parent_and_has_pictures_instruction_and_verdict() -> None:
    numbers = json.dumps(dict.fromkeys(("following", "preservation", "naturalness", "artefacts"), 9))
    found = made(Answer(text=numbers))
    assert isinstance(found, Related)
    assert (found.row["parent_id"], found.row["relation"]) == ("parent", "inverse")
    assert (found.row["images"], found.row["edited_images"]) == (["/a/before.png"], ["/a/after.png"])
    assert found.row["conversations"][0]["content"] == found.instruction
    assert found.instruction in (WRITTEN["short_en"], WRITTEN["long_en"])
    assert found.row["verdict"]["accepted"]
    assert found.row["id"] == replace(EDIT, instruction=found.instruction).id
    assert found.as_column == {
        "id": found.row["id"],
        "instruction": found.instruction,
        "verdict": found.verdict.as_row(),
    }


def test_a_row_that_cannot_be_judged_is_a_reason() -> None:
    found = made(Answer(text="It looks good."))
    assert isinstance(found, str)
    assert found.startswith("unjudged: ")


def test_an_unknown_operation_has_no_columns() -> None:
    assert kind_columns(None) == {}
    assert kind_columns(shipped_taxonomy().operations["pose"])["sub_type"] == "pose"
