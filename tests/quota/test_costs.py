"""What a row and an edit are said to cost, by prices and by what was paid."""

import math

import pytest

from dataflow.quota.costs import PRIOR_ROWS, UNSEEN, Costs, Mean, Prices


def test_before_anything_was_paid_the_price_table_counts() -> None:
    mean = Mean(80.0)
    assert (mean.value, mean.spread) == (80.0, UNSEEN * 80)
    assert mean.error == pytest.approx(20 / math.sqrt(PRIOR_ROWS))


def test_without_a_price_nothing_is_known_until_something_was_paid() -> None:
    mean = Mean(None)
    assert (mean.value, mean.spread) == (None, 0.0)
    mean.add(30, 1)
    assert mean.value == 30


def test_what_was_paid_outweighs_the_price_more_and_more() -> None:
    mean = Mean(100.0)
    for _ in range(9):
        mean.add(20, 1)
    assert mean.value == pytest.approx((PRIOR_ROWS * 100 + 9 * 20) / (PRIOR_ROWS + 9))
    assert mean.spread == 0, "all cost the same"


def test_several_at_once_count_as_several() -> None:
    mean = Mean(None)
    mean.add(40, 2)
    mean.add(60, 2)
    assert mean.value == 25
    assert mean.spread == pytest.approx(5)


def test_a_row_pays_for_itself_and_for_its_edits() -> None:
    costs = Costs(Prices())
    costs.add(100, 80, 4, ended=True)
    costs.add(60, 40, 2, ended=True)
    assert (costs.row.value, costs.edit.value, costs.paid) == (20, 20, 160)


def test_what_a_row_cost_before_it_was_asked_again_counts_when_it_ends() -> None:
    costs = Costs(Prices())
    costs.add(30, 0, 0, ended=False)
    assert (costs.row.value, costs.paid) == (None, 30)
    costs.add(50, 40, 1, ended=True)
    assert (costs.row.value, costs.edit.value, costs.paid) == (40, 40, 80)
