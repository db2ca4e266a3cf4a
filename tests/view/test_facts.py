"""What is kept of a row: its outcome, why it is not accepted, and figures; whatever the row holds."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.core.records import Row
from dataflow.view.facts import OUTCOMES, facts_of
from dataflow.view.shown import ShownColumns
from tests.kit.judged import verdict_of

SHOWN = ShownColumns("images", "conversations", "edited_images")
ROW = {"images": ["a.png"], "conversations": "erase it", "edited_images": ["b.png"], "sub_type": "remove"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("accepted", "score", "axes", "critique", "gate", "measures", "tries", "try", "candidate", "cost", "verdicts")
VERDICT = (
    JSON | st.dictionaries(st.sampled_from(FIELDS), JSON) | st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON))
)
COLUMNS = ("images", "conversations", "edited_images", "sub_type", "language", "reason", "id")


@pytest.mark.parametrize(
    ("more", "side", "outcome", "fault"),
    [
        ({"verdict": verdict_of(9)}, "", "accepted", ""),
        ({"verdict": verdict_of(9)}, "surplus", "surplus", ""),
        ({"verdict": [verdict_of(3), verdict_of(5)]}, "rejected", "rejected", "judge: following"),
        ({"verdict": {"accepted": False, "gate": "no_op"}}, "", "rejected", "gate: no_op"),
        ({"verdict": {"accepted": None}}, "", "unjudged", ""),
        ({}, "", "made", ""),
        ({"edited_images": []}, "", "failed", ""),
        ({"reason": "no picture '/a/b.png' at /c"}, "errors", "failed", "no picture … at …"),
        ({"reason": "not asked for"}, "dropped", "dropped", "not asked for"),
        ({}, "rejected_drawings", "undrawn", ""),
    ],
)
def test_a_row_has_an_outcome_and_a_fault(more: Row, side: str, outcome: str, fault: str) -> None:
    facts = facts_of({**ROW, **more}, SHOWN, side=side)
    assert (facts.outcome, facts.fault, facts.operation) == (outcome, fault, "remove")


def test_of_several_edits_the_best_one_counts_and_all_of_them_cost() -> None:
    edits = [verdict_of(3, cost=0.1), verdict_of(6, cost=0.2, measures={"changed": 0.25})]
    facts = facts_of(
        {**ROW, "verdict": [*edits, {"accepted": False, "gate": "cast", "cost": 0.4}]}, SHOWN, side="rejected"
    )
    assert (facts.score, facts.lowest, facts.changed, facts.tries) == (6, 6, 0.25, 3)
    assert facts.cost == pytest.approx(0.7)
    assert math.isnan(facts_of(ROW, SHOWN).score)


def test_the_language_is_the_rows_or_that_of_its_words() -> None:
    said: list[Row] = [{}, {"conversations": "把它变红"}, {"language": "fr"}, {"conversations": []}]
    assert [facts_of({**ROW, **more}, SHOWN).language for more in said] == ["en", "zh", "fr", ""]


@settings(max_examples=100, deadline=None)
@given(
    row=st.dictionaries(st.sampled_from(COLUMNS), JSON), verdict=VERDICT, side=st.sampled_from(["", "tries", "errors"])
)
def test_whatever_a_row_holds_has_facts(row: Row, verdict: object, side: str) -> None:
    row["verdict"] = verdict
    facts = facts_of(row, SHOWN, side=side)
    assert facts.outcome in OUTCOMES
    assert all(isinstance(name, str) for name in (facts.fault, facts.operation, facts.language, facts.text))
