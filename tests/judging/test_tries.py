"""What a row wants edited, and what its tries are worth."""

import pytest

from dataflow.core.records import Row
from dataflow.errors import AnswerError, Failure, RowError
from dataflow.judging.rubric import Kind
from dataflow.judging.tries import Outcome, Task, Try, edit_of, raise_if_refused, standing_edits, task_of
from dataflow.judging.verdict import Verdict
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from tests.kit.generators import DOWN, REFUSED, picture

ROW: Row = {
    "images": ["/a.png", "/b.png"],
    "conversations": [{"role": "user", "content": "Make it red."}],
    "instructions": [{"role": "user", "content": text} for text in ("Make it red.", "Paint it red.")],
    "sub_type": "recolour",
    "edited_images": ["/mine.png", ""],
    "mask": "/mask.png",
}
GOOD = Try(1, 0, "red", "/good.png", Verdict(True, score=8.0, cost=5), cost=7)
BAD = Try(0, 0, "red", "/bad.png", Verdict(False, score=9.0))
REFUSAL = Try(0, 1, "red", "", Verdict(False, gate="refused"), failure=Failure("refused", "policy"))
UNJUDGED = Try(1, 1, "blue", "/what.png", Verdict(None))


def task(row: Row, mask: str | None = None) -> Task:
    columns = {"images": "images", "conversation": "conversations", "edited": "edited_images"}
    return task_of(row, shipped_taxonomy(), mask=mask, **columns)


def test_a_row_says_pictures_instruction_kind_other_words_edits_and_mask() -> None:
    recolour = shipped_taxonomy().operations["recolour"]
    kind = Kind("recolour", recolour.group, recolour.keeps, recolour.good)
    wanted = Task(("/a.png", "/b.png"), "Make it red.", kind, ("Paint it red.",), ("/mine.png",))
    assert task(ROW) == wanted
    assert task(ROW, "mask").mask == "/mask.png"
    assert task({"images": "/a.png", "conversations": "x"}) == Task(("/a.png",), "x")


def test_a_column_of_another_form_fails_the_row() -> None:
    with pytest.raises(RowError, match="`images` holds 7"):
        task({**ROW, "images": 7})


@pytest.mark.parametrize("value", [None, "", [], [""], [None]])
def test_an_empty_column_has_no_edits(value: object) -> None:
    assert standing_edits({"edited_images": value}, "edited_images") == ()


def test_an_answer_is_an_edit_or_a_refusal_and_a_failure_is_raised() -> None:
    assert edit_of(2, 1, "red", picture("/a.png", cost=9)) == Try(2, 1, "red", "/a.png", cost=9)
    refusal = edit_of(2, 1, "red", REFUSED)
    assert (refusal.path, refusal.verdict.gate, refusal.verdict.critique) == ("", "refused", "against the policy")
    with pytest.raises(AnswerError, match="nobody is there"):
        edit_of(2, 1, "red", DOWN)


def test_an_edit_that_passed_the_gates_ranks_above_one_that_did_not_whatever_its_score() -> None:
    fell = Try(0, 0, "red", "/fell.png", Verdict(False, score=10.0, gate="no_op"))
    assert sorted([GOOD, fell, BAD], key=lambda each: each.rank) == [fell, GOOD, BAD]


def test_a_verdict_keeps_the_measures_before_it_and_adds_its_cost() -> None:
    measured = Try(0, 0, "red", "/a.png", Verdict(None, measures={"coarse": 3.0}), cost=2)
    judged = measured.judged(Verdict(True, score=8.0, cost=5))
    assert (judged.verdict.accepted, judged.verdict.measures, judged.cost) == (True, {"coarse": 3.0}, 7)
    assert measured.judged(Verdict(True, cost=None)).cost is None


def test_a_row_is_unjudged_if_none_is_accepted_and_one_cannot_be_judged() -> None:
    assert Outcome([BAD, UNJUDGED], None, 0).is_unjudged
    assert not Outcome([BAD, REFUSAL], None, 0).is_unjudged
    assert not Outcome([UNJUDGED, GOOD], GOOD, 0).is_unjudged


def test_a_row_of_which_everything_is_refused_fails_with_the_first_refusal() -> None:
    raise_if_refused([REFUSAL, BAD])
    with pytest.raises(AnswerError, match="policy"):
        raise_if_refused([REFUSAL, REFUSAL])
