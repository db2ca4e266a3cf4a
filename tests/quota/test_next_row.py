"""What a quota hands out, by what became of the rows before."""

import random
from collections import Counter

import pytest

from dataflow.core.records import NANO
from dataflow.quota.costs import Prices
from dataflow.quota.next_row import Account, Ending, RowEnd
from dataflow.quota.quota import Quota

SHARES = {"move": 0.5, "zoom": 0.3, "era": 0.2}
PRIORS = {"move": 0.6, "zoom": 0.7, "era": 0.9}


def account(quota: Quota, *, tries: int = 2, prices: Prices | None = None) -> Account:
    return Account(quota, SHARES, PRIORS, tries=tries, prices=prices)


def handed(of: Account) -> list[str]:
    found = []
    while (operation := of.hand_out()) is not None:
        found.append(operation)
    return found


def end(operation: str, ending: Ending, *, tries: int = 1, cost: int | None = 0) -> RowEnd:
    edits_cost = None if cost is None else cost // 2
    return RowEnd(operation, ending, tries=tries, edits=tries, edits_cost=edits_cost, cost=cost)


def played(of: Account, seed: int = 0, *, passes: float = 0.7, cost: int = 0) -> list[str]:
    """Every row that was handed out, in order; each passes by chance."""
    chance, line, begun = random.Random(seed), handed(of), []
    while line:
        operation = line.pop(0)
        begun.append(operation)
        of.close(operation, end(operation, "accepted" if chance.random() < passes else "rejected", cost=cost))
        line += handed(of)
    return begun


def test_the_mix_is_met_and_no_operation_is_short() -> None:
    filled = account(Quota(1_000))
    played(filled)
    assert filled.wanted == {"move": 500, "zoom": 300, "era": 200}
    assert all(filled.accepted[name] >= wanted for name, wanted in filled.wanted.items())
    assert filled.accepted.total() <= 1_010


def test_no_more_rows_are_open_than_may_be() -> None:
    assert len(handed(account(Quota(1_000)))) == 64
    assert len(handed(account(Quota(1_000, ahead=9)))) == 9


def test_rows_that_are_likely_too_many_are_not_begun() -> None:
    assert Counter(handed(account(Quota(10), tries=1))) == {"move": 8, "zoom": 4, "era": 2}


def test_the_same_outcomes_hand_out_the_same_rows() -> None:
    assert played(account(Quota(300)), seed=5) == played(account(Quota(300)), seed=5)


def test_a_larger_quota_begins_with_the_rows_of_a_smaller_one() -> None:
    small, large = played(account(Quota(200, ahead=20))), played(account(Quota(400, ahead=20)))
    assert small[:200] == large[:200]


def test_rows_that_failed_hold_their_place() -> None:
    down = account(Quota(100))
    begun, line = 0, handed(down)
    while line:
        begun += len(line)
        for operation in line:
            down.close(operation, end(operation, "failed"))
        line = handed(down)
    assert begun < 160, "a dead server is not asked without end"
    assert down.failed.total() == begun


def test_a_row_that_is_asked_again_stays_open() -> None:
    one = account(Quota(1))
    (operation,) = handed(one)
    one.close(operation, end(operation, "again", tries=0))
    assert handed(one) == []
    one.close(operation, end(operation, "rejected"))
    assert handed(one) == [operation]


def test_what_is_accepted_beyond_the_quota_is_surplus() -> None:
    one = account(Quota(1))
    one.close("move", end("move", "accepted"))
    assert not one.is_surplus("move")
    one.close("move", end("move", "accepted"))
    assert one.is_surplus("move")


def test_an_operation_without_hope_is_named_and_its_share_not_given_to_others() -> None:
    hopeless = account(Quota(400))
    line = handed(hopeless)
    while line:
        operation = line.pop(0)
        hopeless.close(operation, end(operation, "rejected" if operation == "zoom" else "accepted"))
        line += handed(hopeless)
    assert hopeless.given_up == ["zoom"]
    assert hopeless.accepted["zoom"] == 0
    assert hopeless.accepted["move"] <= 202
    assert hopeless.accepted["era"] <= 82
    assert 25 <= hopeless.rejected["zoom"] <= 120


@pytest.mark.parametrize("limit", [1.0, 20.0, 60.0])
def test_rows_that_end_never_cost_more_than_the_limit(limit: float) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        paid = account(Quota(1_000, max_cost=limit), prices=Prices(0.05 * NANO, 0.05 * NANO))
        line = handed(paid)
        while line:
            operation = line.pop(0)
            ending: Ending = "accepted" if chance.random() < 0.7 else "rejected"
            paid.close(operation, end(operation, ending, cost=int(0.1 * NANO * max(0.1, chance.gauss(1, 0.3)))))
            line += handed(paid)
        assert paid.is_out_of_money
        assert paid.costs.paid <= limit * NANO
        assert paid.costs.paid >= (limit - 3) * NANO or limit < 5


def test_more_money_goes_on_where_less_of_it_ended() -> None:
    prices = Prices(0.05 * NANO, 0.05 * NANO)
    less = played(account(Quota(500, max_cost=20.0), prices=prices), cost=NANO // 10)
    more = played(account(Quota(500, max_cost=40.0), prices=prices), cost=NANO // 10)
    assert len(less) < len(more)
    assert Counter(less) <= Counter(more)


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_what_a_price_table_says_wrong_leaves_no_money_unspent(times: float) -> None:
    chance = random.Random(0)
    paid = account(Quota(60, max_cost=8.0), prices=Prices(0.1 * times * NANO, 0.1 * times * NANO))
    line = handed(paid)
    while line:
        operation = line.pop(0)
        paid.close(operation, end(operation, "accepted", cost=int(0.2 * NANO * max(0.1, chance.gauss(1, 0.3)))))
        line += handed(paid)
    assert paid.is_out_of_money
    assert paid.costs.paid >= 7 * NANO


def test_an_operation_of_which_nothing_is_accepted_has_few_rows_open() -> None:
    assert len(handed(Account(Quota(300, ahead=200), {"move": 1.0}, {"move": 0.6}, tries=2))) == 200
    one = Account(Quota(300), {"move": 1.0}, {"move": 0.6}, tries=2)
    line = handed(one)
    assert len(line) == 25
    while line:
        one.close("move", end("move", "rejected"))
        line = [*line[1:], *handed(one)]
        assert len(line) <= 25
    assert one.given_up == ["move"]
    assert one.rejected["move"] <= 50


@pytest.mark.parametrize(("prices", "most"), [(Prices(), 4), (Prices(0.1 * NANO, 0.1 * NANO), 25)])
def test_few_rows_show_what_rows_cost_before_the_limit_is_all_open(prices: Prices, most: int) -> None:
    line = handed(account(Quota(200, max_cost=10.0), prices=prices))
    assert most * 0.6 < len(line) <= most
    assert len(handed(account(Quota(200), prices=prices))) == 64, "no limit, no care"


def test_costs_that_nobody_knows_decide_nothing() -> None:
    unknown = account(Quota(50, max_cost=1.0))
    line = handed(unknown)
    while line:
        operation = line.pop(0)
        unknown.close(operation, end(operation, "accepted", cost=None))
        line += handed(unknown)
    assert not unknown.is_out_of_money
