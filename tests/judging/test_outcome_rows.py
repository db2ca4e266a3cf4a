"""The rows of an outcome, by values."""

from dataclasses import replace

import pytest

from dataflow.core.records import NANO, Row, Side
from dataflow.errors import RowError
from dataflow.judging.outcome_rows import rows_of, rows_of_drawings
from dataflow.judging.tries import Outcome, Try
from dataflow.judging.verdict import Verdict

ROW: Row = {"images": ["/a.png"], "mine": 1}
GOOD = Try(1, 0, "red", "/good.png", Verdict(True, score=8.0, axes={"following": 9, "artefacts": 8}), cost=NANO // 2)
BAD = Try(0, 0, "red", "/bad.png", Verdict(False, score=3.0, axes={"following": 3, "artefacts": 7}))
UNJUDGED = Try(0, 1, "red", "/what.png", Verdict(None))


def rows(outcome: Outcome, margin: float = 2.0) -> list[Row | Side | RowError]:
    return [*rows_of(outcome, ROW, edited="edited", verdict="verdict", margin=margin)]


def test_an_accepted_row_has_its_edit_the_number_of_tries_and_what_all_of_them_cost() -> None:
    *tries, row, pair = rows(Outcome([BAD, GOOD], GOOD, NANO))
    assert isinstance(row, dict)
    assert (row["mine"], row["edited"]) == (1, ["/good.png"])
    assert (row["verdict"]["accepted"], row["verdict"]["tries"], row["verdict"]["cost"]) == (True, 2, 1.0)
    assert [(each.name, each.row["edited"]) for each in tries if isinstance(each, Side)] == [
        ("tries", ["/bad.png"]),
        ("tries", ["/good.png"]),
    ]
    assert isinstance(pair, Side)
    assert (pair.name, pair.row["edited"]) == ("pairs", ["/good.png", "/bad.png"])
    assert (pair.row["verdict"]["axis"], pair.row["verdict"]["margin"]) == ("following", 6)
    assert [each["try"] for each in pair.row["verdict"]["verdicts"]] == [1, 0]


@pytest.mark.parametrize(
    "loser",
    [
        replace(BAD, verdict=replace(BAD.verdict, gate="no_op")),
        replace(BAD, verdict=replace(BAD.verdict, accepted=None)),
        replace(BAD, verdict=replace(BAD.verdict, axes={"following": 8, "artefacts": 7})),
        replace(BAD, verdict=replace(BAD.verdict, axes={"another": 1})),
    ],
    ids=["fell at a gate", "unjudged", "too near", "no axis in common"],
)
def test_an_edit_that_was_not_judged_clearly_worse_makes_no_pair(loser: Try) -> None:
    assert not [
        each for each in rows(Outcome([loser, GOOD], GOOD, 0)) if isinstance(each, Side) and each.name == "pairs"
    ]


def test_a_row_without_an_accepted_edit_is_rejected_and_an_unjudged_one_fails() -> None:
    *_, rejected = rows(Outcome([BAD, BAD], None, 0))
    assert isinstance(rejected, Side)
    assert (rejected.name, rejected.row["edited"]) == ("rejected", ["/bad.png", "/bad.png"])
    assert [each["accepted"] for each in rejected.row["verdict"]] == [False, False]
    *_, failed = rows(Outcome([BAD, UNJUDGED], None, 0))
    assert isinstance(failed, RowError)
    assert str(failed).startswith("unjudged: ")


def test_an_unknown_cost_is_null() -> None:
    *_, row = rows(Outcome([GOOD], GOOD, None))
    assert isinstance(row, dict)
    assert row["verdict"]["cost"] is None


def test_of_several_drawings_the_column_is_a_list_of_verdicts_in_the_order_of_the_pictures() -> None:
    drawn = [Outcome([BAD, GOOD], GOOD, 0), Outcome([GOOD], GOOD, 0)]
    *_, row = rows_of_drawings(drawn, ROW, images="images", verdict="checked")
    assert isinstance(row, dict)
    assert (row["images"], [each["accepted"] for each in row["checked"]]) == (["/good.png", "/good.png"], [True, True])
    *_, one = rows_of_drawings(drawn[:1], ROW, images="images", verdict="checked")
    assert isinstance(one, dict)
    assert one["checked"]["tries"] == 2


def test_one_picture_that_is_not_accepted_keeps_the_row_back() -> None:
    good, rejected, unjudged = Outcome([GOOD], GOOD, 0), Outcome([BAD], None, 0), Outcome([UNJUDGED], None, 0)
    *_, side = rows_of_drawings([good, rejected, unjudged], ROW, images="images", verdict="checked")
    assert isinstance(side, Side)
    assert (side.name, len(side.row["checked"])) == ("rejected", 3)
    *_, failed = rows_of_drawings([good, unjudged], ROW, images="images", verdict="checked")
    assert isinstance(failed, RowError)
