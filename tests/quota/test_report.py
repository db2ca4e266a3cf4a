"""What a quota says of itself, in figures and in words."""

from dataflow.core.records import NANO, Row
from dataflow.quota.costs import Prices
from dataflow.quota.forecast import Outlook
from dataflow.quota.next_row import Account, RowEnd
from dataflow.quota.quota import Quota
from dataflow.quota.report import describe, note, report

SHARES = {"move": 0.5, "zoom": 0.5}
PRICES = Prices(NANO // 10, NANO // 10, currency="USD")


def account(quota: Quota, *, prices: Prices | None = PRICES) -> Account:
    return Account(quota, SHARES, dict.fromkeys(SHARES, 0.6), tries=2, prices=prices)


def ended(of: Account, operation: str, ending: str, **more: object) -> None:
    of.begin(operation)
    edits = 0 if more.get("lost") else 1
    end = RowEnd(operation, ending, edits, edits, NANO // 10, NANO // 5, **more)  # type: ignore[arg-type]
    of.close(operation, end)


def test_figures_are_there_for_each_operation_and_for_all() -> None:
    of = account(Quota(4))
    ended(of, "move", "accepted")
    ended(of, "move", "rejected", faults=("no_op",))
    ended(of, "zoom", "rejected", lost="drawing")
    found: Row = report(Outlook(of))
    assert (found["accepted"], found["wanted"], found["edits"], found["cost"]) == (1, 4, 2, 0.6)
    assert found["operations"]["move"] == {
        "wanted": 2,
        "accepted": 1,
        "rejected": 1,
        "failed": 0,
        "edits": 2,
        "cost": 0.4,
        "cost_each": 0.4,
    }
    assert found["operations"]["zoom"]["cost_each"] is None
    assert (found["faults_of_edits"], found["lost_before_an_edit"]) == ({"no_op": 1}, {"drawing": 1})
    assert found["forecast"]["rows_by_operation"].keys() == SHARES.keys()


def test_a_set_that_ended_names_what_is_more_and_what_is_missing() -> None:
    of = account(Quota(4))
    for _ in range(3):
        ended(of, "move", "accepted")
    ended(of, "zoom", "rejected", faults=("following",))
    said = describe(Outlook(of))
    assert said[:2] == ["2 of 4 wanted accepted", "1 more than wanted"]
    assert "of 4 edits not accepted for following (1)" in said
    assert said[-1] == "short of zoom (2)"


def test_while_rows_are_open_the_forecast_is_told_with_what_the_money_buys() -> None:
    of = account(Quota(100, max_cost=5.0))
    of.begin("move")
    said = ", ".join(describe(Outlook(of)))
    assert "100 accepted take 1" in said
    assert "USD each" in said
    assert "max_cost (5.00 USD) is enough for about" in said


def test_the_most_frequent_are_named_and_the_rest_is_counted() -> None:
    of = account(Quota(50))
    for times, fault in enumerate(("a", "b", "c", "d", "e", "f"), 1):
        for _ in range(times):
            ended(of, "move", "rejected", faults=(fault,))
    assert describe(Outlook(of))[1:6] == [
        "of 21 edits not accepted for f (6)",
        "e (5)",
        "d (4)",
        "c (3)",
        "others (3)",
    ]


def test_an_operation_that_was_given_up_is_named_with_its_rows() -> None:
    of = account(Quota(50))
    for _ in range(60):
        ended(of, "zoom", "rejected")
    assert "given up: `zoom`, of which 0 of 60 were accepted" in describe(Outlook(of))


def test_a_note_says_how_far_it_is_and_the_cost_where_it_is_known() -> None:
    assert note(Outlook(account(Quota(1_000), prices=None))) == "0/1,000 accepted"
    assert note(Outlook(account(Quota(1_000)))).startswith("0/1,000 accepted, about ")
