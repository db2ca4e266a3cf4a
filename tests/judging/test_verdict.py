"""What follows from a judge's numbers."""

import pytest

from dataflow.core.records import Side
from dataflow.errors import ConfigError
from dataflow.judging.answers import Opinion
from dataflow.judging.rubric import shipped_rubric
from dataflow.judging.verdict import (
    Verdict,
    check_thresholds,
    columns_of,
    count_sides,
    is_accepted,
    mean_opinion,
    passes,
    score_of,
    sum_of,
)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ({"accepted": True}, True),
        ({"accepted": False}, False),
        ({"accepted": None}, False),
        ([{"accepted": True}, {"accepted": True}], True),
        ([{"accepted": True}, {"accepted": False}], False),
        ([], False),
        ("yes", False),
        (None, False),
    ],
)
def test_a_column_is_accepted_if_every_verdict_in_it_is(value: object, accepted: bool) -> None:
    assert is_accepted(value) is accepted


def test_each_verdict_is_counted_under_its_name() -> None:
    verdicts = [Verdict(True), Verdict(None), Verdict(False), Verdict(True)]
    names = ["edits accepted", "edits unjudged", "edits rejected", "edits accepted"]
    assert count_sides(verdicts) == [Side(name, {}) for name in names]


def test_an_unknown_cost_makes_the_sum_unknown() -> None:
    assert (sum_of([3, 4]), sum_of([]), sum_of([3, None])) == (7, 0, None)


def test_passes_have_the_mean_of_their_numbers_and_the_words_of_the_first() -> None:
    first, second = (
        Opinion({"following": 4.0}, {"reasoning": "blue"}),
        Opinion({"following": 9.0}, {"reasoning": "red"}),
    )
    assert mean_opinion([first, second]) == Opinion({"following": 6.5}, {"reasoning": "blue"})


def test_thresholds_are_of_axes_and_on_the_scale() -> None:
    names = [axis.name for axis in shipped_rubric().axes]
    assert check_thresholds({"following": 8}, names) == {**dict.fromkeys(names, 7.0), "following": 8}
    with pytest.raises(ConfigError, match="'beauty', which is no axis of the rubric: following, "):
        check_thresholds({"beauty": 8}, names)
    with pytest.raises(ConfigError, match="threshold of following is 70"):
        check_thresholds(70, names)


def test_a_score_is_ruled_by_the_worst_of_each_question() -> None:
    questions = {"following": "compare", "preservation": "compare", "artefacts": "alone"}
    assert score_of({"following": 10, "preservation": 4, "artefacts": 9}, questions) == 6
    assert score_of({}, questions) == 0
    assert passes({"following": 7}, {"following": 7.0})


def test_several_edits_of_a_row_have_lists() -> None:
    one, other = Verdict(True, score=9, axes={"following": 9}), Verdict(None, gate="no_op")
    assert columns_of([one]) == ({"accepted": True, "score": 9, "axes": {"following": 9}}, True)
    assert columns_of([one, other])[1] == [True, None]
    assert other.as_row() == {"accepted": None, "gate": "no_op"}
