"""Makes the account of a quota: the wanted rows, and the costs of rows and edits by the price table."""

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
from dataflow.quota.costs import Prices
from dataflow.quota.next_row import Account
from dataflow.quota.parts import Part, edit_price, row_price
from dataflow.quota.quota import Quota
from dataflow.taxonomy.priors import prior_passes

WRITER, CHECKER = "writer", "checker"
"""Names, in requests, of the worker that writes and of the worker that judges drawings."""

_SHOWN = {JUDGE: 2, CHECKER: 1}  # name of a worker → pictures in one of its requests; 0 for other workers with text

_VERBS = {WRITER: "write", PAINTER: "draw", CHECKER: "check", EDITOR: "edit", JUDGE: "judge"}
"""Name of a worker → name of its part in reports. Gauge and rewriter are left out: a measurement is free, and a
rewriter is seldom asked."""


def account_of(
    quota: Quota, shares: Mapping[str, float], parts: Sequence[Part], loop: AcceptLoop, budget: Budget
) -> Account:
    """Make the account of a quota before its first row.

    Args:
        quota: the wanted rows.
        shares: operation → its share of the accepted rows; the shares add up to 1.
        parts: the parts of one row's work.
        loop: edits and judges.
        budget: what the workers charge.

    Raises:
        ConfigError: the quota gives up no operation, and nobody charges: the run might never end.
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
        quota = replace(quota, max_cost=budget.max_cost / NANO)  # it may be lower: that of the run or `DF_MAX_COST`
    return Account(quota, shares, prior_passes(shares), tries=loop.tries, candidates=loop.candidates, prices=prices)


def parts_of(workers: Mapping[str, Worker], before: Expects, edits: Expects, budget: Budget) -> list[Part]:
    """Make the parts of one row's work, one for each worker that writes, draws, checks, edits or judges.

    Args:
        workers: name in requests → worker.
        before: name → (usual, greatest) number of requests of one row before its edits.
        edits: name → (usual, greatest) number of requests for all edits of one row.
        budget: what the workers charge.
    """
    tries, _ = edits[EDITOR]
    return [
        Part(
            verb,
            row=before.get(name, (0.0, 0.0))[0],
            edit=edits.get(name, (0.0, 0.0))[0] / tries if tries else 0.0,
            each=_price(budget, name),
            places=places_of(workers[name], _made_by(name)),
            seconds=SECONDS[_made_by(name)],
        )
        for name, verb in _VERBS.items()
        if name in workers
    ]


def _price(budget: Budget, name: str) -> float | None:
    """Return what one request to a worker usually costs, in billionths of the currency; None: not known."""
    if name not in budget.priced:
        return 0.0
    if _made_by(name) == "image":
        return budget.usual_cost(name, "image")
    return budget.usual_text_cost(name, _SHOWN.get(name, 0))


def _made_by(name: str) -> Makes:
    return "image" if name in (EDITOR, PAINTER) else "text"
