"""The account of a quota: what is wanted, and what rows and edits cost before any was paid, by the price table."""

from collections.abc import Mapping
from dataclasses import replace

from dataflow.core.records import NANO
from dataflow.core.worker import JUDGE
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects
from dataflow.judging.condition import PAINTER
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import EDITOR, REWRITER
from dataflow.money.budget import Budget
from dataflow.quota.account import Account
from dataflow.quota.costs import Prices
from dataflow.quota.quota import Quota
from dataflow.taxonomy.priors import prior_passes

CHECKER = "checker"
"""The name of the worker that judges drawings."""

_SHOWN = {JUDGE: 2, CHECKER: 1}
"""Pictures that those are shown who answer in words."""


def account_of(quota: Quota, shares: Mapping[str, float], before: Expects, loop: AcceptLoop, budget: Budget) -> Account:
    """An account at its beginning.

    Args:
        quota: what is wanted.
        shares: operation → its share of the accepted rows; they add up to 1.
        before: requests of a row before its edits, by worker.
        loop: tries the edits.
        budget: what the workers charge.

    Raises:
        ConfigError: nothing would end the set.
    """
    if quota.hopeless == 0 and not budget.priced:
        raise ConfigError(
            "hopeless is 0, which gives nothing up, and nobody charges, so max_cost ends nothing: give a small share"
            " such as hopeless=0.005"
        )
    prices = prices_of(budget, before, loop.expects())
    if budget.max_cost is not None:
        quota = replace(quota, max_cost=budget.max_cost / NANO)  # or that of the environment
    return Account(quota, shares, prior_passes(shares), tries=loop.tries, candidates=loop.candidates, prices=prices)


def prices_of(budget: Budget, before: Expects, edits: Expects) -> Prices:
    """What is believed of one row and of one edit.

    Args:
        budget: what the workers charge.
        before: requests of a row before its edits, by worker.
        edits: requests of all its edits, by worker.
    """
    usual, _ = edits[EDITOR]
    each = {name: count / usual for name, (count, _) in edits.items() if name != REWRITER} if usual else {}
    return Prices(
        _sum(budget, {name: count for name, (count, _) in before.items()}),
        _sum(budget, each),
        budget.most_unseen(EDITOR, "image"),
        budget.table.currency if budget.priced and budget.table is not None else "",
    )


def _sum(budget: Budget, requests: Mapping[str, float]) -> float | None:
    """What so many requests of each worker cost, in billionths; None: the price of one is not known."""
    total = 0.0
    for name, count in requests.items():
        if name in budget.priced:
            draws = name in (EDITOR, PAINTER)
            each = budget.about(name, "image") if draws else budget.about_text(name, _SHOWN.get(name, 0))
            if each is None:
                return None
            total += count * each
    return total
