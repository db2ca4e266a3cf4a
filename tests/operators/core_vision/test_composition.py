"""Which turns a joint instruction says, and what their edits keep together."""

import json

import pytest

from dataflow.core.records import Answer, Request, Row
from dataflow.errors import RowError
from dataflow.judging.judge import make_judge
from dataflow.operators.base import Columns
from dataflow.operators.core_vision.composition import SEVERAL, PastTurn, compose, kept_by, turns_before
from dataflow.operators.core_vision.related import Related
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from tests.kit.generators import answered
from tests.kit.workers import Echo

TAXONOMY = shipped_taxonomy()
COLUMNS = Columns(("images", "conversations", "edited_images", "turns"), labels=("verdict",))
WRITTEN = {"description": "A cup.", "short_en": "Paint and move it.", "long_en": "Paint the cup red and move it left."}


def turn(number: int, version: int, operation: str = "recolour") -> PastTurn:
    return PastTurn(f"edit {number}", version, operation)


def session(*versions: int, edits: int | None = None) -> Row:
    turns = [
        {"instruction": f"edit {n}", "version": version, "sub_type": "recolour"}
        for n, version in enumerate(versions, 1)
    ]
    made = [f"/{n}.png" for n in range(1, 1 + (len(versions) if edits is None else edits))]
    return {"id": "s", "images": ["/0.png"], "conversations": "x", "edited_images": made, "turns": turns}


def joined(row: Row) -> tuple[Related | str, list[Request]]:
    def answer(request: Request) -> Answer:
        if request.worker == "writer":
            return Answer(text=json.dumps(WRITTEN))
        return Answer(text=json.dumps(dict.fromkeys(json.loads(request.schema)["properties"], 9)))

    return answered(compose(row, make_judge(Echo(), None, 7.0, canaries=False), TAXONOMY, COLUMNS), answer)


@pytest.mark.parametrize(
    ("versions", "version", "chain"),
    [
        ((1, 2, 3), 4, [1, 2, 3]),
        ((1, 2, 2), 4, [1, 3]),
        ((1, 2, 1), 4, [3]),
        ((1, 2, 3), 2, [1]),
        ((1, 2, 3), 1, []),
        ((), 1, []),
    ],
)
def test_a_picture_is_led_to_by_the_turns_that_were_not_taken_back(
    versions: tuple[int, ...], version: int, chain: list[int]
) -> None:
    turns = [turn(number, each) for number, each in enumerate(versions, 1)]
    assert [each.instruction for each in turns_before(turns, version)] == [f"edit {n}" for n in chain]


def test_several_edits_keep_what_the_one_that_keeps_least_keeps() -> None:
    least = {name: each.keeps for name, each in TAXONOMY.operations.items()}
    rest = next(name for name, keeps in least.items() if keeps == "rest")
    scene = next(name for name, keeps in least.items() if keeps == "scene")
    assert kept_by([turn(1, 1, rest), turn(2, 2, rest)], TAXONOMY) == "rest"
    assert kept_by([turn(1, 1, scene), turn(2, 2, rest)], TAXONOMY) == "scene"
    assert kept_by([turn(1, 1, "levitate")], TAXONOMY) == "shape"


def test_the_joint_instruction_leads_from_the_first_picture_to_the_last() -> None:
    found, requests = joined(session(1, 2, 2))
    assert isinstance(found, Related)
    assert (found.row["images"], found.row["edited_images"]) == (["/0.png"], ["/3.png"])
    assert (found.row["parent_id"], found.row["relation"], found.row["sub_type"]) == ("s", "composition", SEVERAL)
    assert '1. "edit 1" 2. "edit 3"' in requests[0].prompt
    assert requests[0].images == ("/0.png", "/3.png")


def test_a_session_that_went_back_to_its_beginning_asks_nothing() -> None:
    found, requests = joined(session(1, 1))
    assert isinstance(found, str)
    assert found.startswith("it went back to its beginning")
    assert requests == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (session(1, 2, edits=1), "`edited_images` holds 1 pictures, and `turns` 2 turns"),
        (session(1, 3), "`turns` holds .*: expected the turns of an ImageEditSession"),
        (session(0), "`turns` holds "),
        ({**session(1), "turns": []}, "`turns` holds "),
        ({**session(1), "turns": [{"version": 1}]}, "`turns` holds "),
        ({**session(1), "turns": "one"}, "`turns` holds 'one'"),
    ],
)
def test_columns_that_are_no_session_fail_the_row(row: Row, said: str) -> None:
    with pytest.raises(RowError, match=said):
        joined(row)
