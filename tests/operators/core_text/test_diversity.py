"""Rows that say the same are refused, and the figures of the others."""

import pytest

from dataflow.errors import UnfitAnswer
from dataflow.operators.core_text.diversity import Diversity


def test_diversity_counts_by_hand() -> None:
    diversity = Diversity()
    diversity.add("a b", "c d", "one", language="en")
    for description, instruction in (("A B.", "quite another"), ("a", "b c d")):
        with pytest.raises(UnfitAnswer, match="says the same"):
            diversity.add(description, instruction, "two", language="en")
    diversity.add("a b x", "y", "two", language="en")
    report = diversity.report()
    assert report["distinct_1"] == pytest.approx(6 / 8)
    assert report["distinct_2"] == pytest.approx(5 / 6, abs=1e-4)
    assert (report["entropy_bits"], report["highest_entropy_bits"]) == (1, 1)
    assert report["nearest_neighbour_highest"] == 0


def test_diversity_of_nothing_can_be_told() -> None:
    report = Diversity().report()
    assert (report["distinct_1"], report["entropy_bits"], report["nearest_neighbour_mean"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("description", "instruction", "fault"),
    [
        ("A red cup stands on the old table by the window", "Paint it green", "duplicate"),
        ("A red cup stands on the old table by the window today", "Paint the cup blue", "near_duplicate"),
        ("Two dogs run along a grey beach in the rain", "Paint the cup blue", ""),
    ],
)
def test_the_same_description_or_nearly_the_same_words_are_refused_by_name(
    description: str, instruction: str, fault: str
) -> None:
    diversity = Diversity()
    diversity.add("A red cup stands on the old table by the window.", "Paint the cup blue", "recolour", language="en")
    if not fault:
        diversity.add(description, instruction, "recolour", language="en")
        return
    with pytest.raises(UnfitAnswer) as refused:
        diversity.add(description, instruction, "recolour", language="en")
    assert refused.value.fault == fault
