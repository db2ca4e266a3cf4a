"""What a quota is said to come to, held against what it came to."""

import pytest

from dataflow.core.records import NANO
from dataflow.quota.costs import Prices
from dataflow.quota.forecast import Outlook, forecast
from dataflow.quota.next_row import Account, RowEnd
from dataflow.quota.quota import Quota
from dataflow.taxonomy.priors import prior_passes
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from tests.kit.played_quota import PlayedQuota

SHARES = shipped_taxonomy().shares()
PRICES = Prices(0.07 * NANO, 0.07 * NANO)


def of(quota: Quota, *, prices: Prices | None = PRICES) -> Account:
    return Account(quota, SHARES, prior_passes(SHARES), tries=3, prices=prices)


def test_a_forecast_at_a_tenth_is_near_the_end_in_nine_of_ten_runs() -> None:
    near = inside = 0
    for seed in range(20):
        run = PlayedQuota(of(Quota(600)), seed)
        said = forecast(run.until(60), draws=500).cost
        assert said is not None
        paid = run.until().costs.paid / NANO
        near += abs(said.middle / paid - 1) <= 0.1
        inside += said.low <= paid <= said.high
    assert near >= 15
    assert inside >= 15


def test_before_anything_was_seen_it_goes_by_priors_and_prices() -> None:
    said = forecast(of(Quota(10_000)))
    assert said.accepted == 10_000
    assert 11_000 < said.rows.middle < 14_000
    assert said.edits.middle > said.rows.middle
    assert said.cost is not None
    assert said.cost.low < 0.07 * (said.rows.middle + said.edits.middle) < said.cost.high


@pytest.mark.parametrize("candidates", [2, 8, 1_000])
def test_of_many_candidates_nothing_is_sure(candidates: int) -> None:
    account = Account(Quota(100), SHARES, prior_passes(SHARES), tries=2, candidates=candidates, prices=PRICES)
    rows, edits = forecast(account).rows, forecast(account).edits
    assert 100 <= rows.low <= rows.high < 200
    assert edits.low >= candidates * 100


def test_rows_of_a_dead_server_are_no_cheap_rows() -> None:
    account = PlayedQuota(of(Quota(400)), seed=1).until(100)
    before = account.costs.row.value
    for _ in range(200):
        account.close("move", RowEnd("move", "failed"))
    assert account.costs.row.value == before


def test_an_interval_narrows_with_what_is_seen() -> None:
    account = of(Quota(400))
    before = forecast(account).rows
    after = forecast(PlayedQuota(account, 3).until(300)).rows
    assert after.high - after.low < (before.high - before.low) / 2


def test_a_wish_that_the_money_cannot_buy_says_what_it_buys() -> None:
    said = forecast(of(Quota(10_000, max_cost=400.0)))
    assert said.cost is not None
    assert said.affordable is not None
    assert said.affordable == pytest.approx(10_000 * 400 / said.cost.middle, rel=0.01)
    assert forecast(of(Quota(100, max_cost=400.0))).affordable is None


def test_without_prices_no_money_is_spoken_of() -> None:
    said = forecast(of(Quota(100, max_cost=1.0), prices=None))
    assert (said.cost, said.affordable) == (None, None)


def test_a_quota_that_is_met_comes_to_what_it_came_to() -> None:
    account = PlayedQuota(of(Quota(50)), 1).until()
    said = forecast(account)
    assert set(said.rows) == {account.ended}
    assert set(said.edits) == {account.edits.total()}
    assert said.cost is not None
    assert said.cost.middle == pytest.approx(account.costs.paid / NANO)


def test_an_outlook_is_made_anew_once_enough_was_seen() -> None:
    run = PlayedQuota(of(Quota(400)), 1)
    outlook = Outlook(run.account)
    first = outlook.now
    run.until(20)
    assert outlook.now is first
    run.until(200)
    assert outlook.now is not first


def test_the_same_outcomes_give_the_same_forecast() -> None:
    assert forecast(PlayedQuota(of(Quota(400)), 1).until(60)) == forecast(PlayedQuota(of(Quota(400)), 1).until(60))
