"""The account of a quota: what is wanted, and what rows and edits cost before any was paid, by the price table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dataflow.core.records import NANO, Makes
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError
from dataflow.flow.demand import SECONDS, places_of
from dataflow.flow.recipe import Expects
from dataflow.judging.condition import PAINTER
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import EDITOR
from dataflow.money.budget import Budget
from dataflow.quota.account import Account
from dataflow.quota.costs import Prices
from dataflow.quota.parts import Part, edit_price, row_price
from dataflow.quota.quota import Quota
from dataflow.taxonomy.priors import prior_passes

WRITER, CHECKER = "writer", "checker"
"""The names of the workers that write, and that judge drawings."""

_SHOWN = {JUDGE: 2, CHECKER: 1}
"""Pictures that those are shown who answer in words."""


_DOES = {WRITER: "write", PAINTER: "draw", CHECKER: "check", EDITOR: "edit", JUDGE: "judge"}
"""What each worker does, in a word; what others ask costs next to nothing, or is seldom asked."""


def account_of(
    quota: Quota, shares: Mapping[str, float], parts: Sequence[Part], loop: AcceptLoop, budget: Budget
) -> Account:
    """An account at its beginning.

    Args:
        quota: what is wanted.
        shares: operation → its share of the accepted rows; they add up to 1.
        parts: of a row's way.
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
    currency = budget.table.currency if budget.priced and budget.table is not None else ""
    most_edit = budget.most_unseen(EDITOR, "image")
    prices = Prices(row_price(parts), edit_price(parts), most_edit, currency, parts=tuple(parts))
    if budget.max_cost is not None:
        quota = replace(quota, max_cost=budget.max_cost / NANO)  # or that of the environment
    return Account(quota, shares, prior_passes(shares), tries=loop.tries, candidates=loop.candidates, prices=prices)


def parts_of(workers: Mapping[str, Worker], before: Expects, edits: Expects, budget: Budget) -> list[Part]:
    """The parts of a row's way.

    Args:
        workers: by their names in requests.
        before: requests of a row before its edits, by worker.
        edits: requests of all its edits, by worker.
        budget: what the workers charge.
    """
    tries, _ = edits[EDITOR]
    return [
        Part(
            does,
            row=before.get(name, (0.0, 0.0))[0],
            edit=edits.get(name, (0.0, 0.0))[0] / tries if tries else 0.0,
            each=_price(budget, name),
            places=places_of(workers[name], _made_by(name)),
            seconds=SECONDS[_made_by(name)],
        )
        for name, does in _DOES.items()
        if name in workers
    ]


def _price(budget: Budget, name: str) -> float | None:
    """What a request of a worker costs, in billionths; None: not known."""
    if name not in budget.priced:
        return 0.0
    if _made_by(name) == "image":
        return budget.about(name, "image")
    return budget.about_text(name, _SHOWN.get(name, 0))


def _made_by(name: str) -> Makes:
    return "image" if name in (EDITOR, PAINTER) else "text"
