"""What a quota came to and will come to, for the step's meta and for whoever pays."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, NANO
from dataflow.core.words import count_of, show_amount
from dataflow.quota.account import Account
from dataflow.quota.forecast import Forecast, Outlook, Range

_NAMED = 4  # faults, and operations that are short


def report(outlook: Outlook) -> dict[str, JSON]:
    """All figures."""
    account = outlook.account
    return {
        "accepted": account.accepted.total(),
        "wanted": account.quota.accepted,
        "operations": {name: _operation(account, name) for name in account.wanted},
        "edits": account.edits.total(),
        "cost": account.costs.paid / NANO,
        "faults_of_edits": dict(account.faults.most_common()),
        "lost_before_an_edit": dict(account.lost.most_common()),
        "given_up": [*account.given_up],
        "stopped_at_max_cost": account.is_out_of_money,
        "forecast": outlook.now.as_json(),
    }


def _operation(account: Account, name: str) -> JSON:
    accepted, paid = account.accepted[name], account.paid[name]
    return {
        "wanted": account.wanted[name],
        "accepted": accepted,
        "rejected": account.rejected[name],
        "failed": account.failed[name],
        "edits": account.edits[name],
        "cost": paid / NANO,
        "cost_each": paid / NANO / accepted if accepted and paid else None,
    }


def describe(outlook: Outlook) -> list[str]:
    """What is to be said of them, part by part."""
    account = outlook.account
    accepted, wanted = account.accepted.total(), account.quota.accepted
    surplus = sum(max(0, account.accepted[name] - number) for name, number in account.wanted.items())
    parts = [f"{accepted - surplus:,} of {wanted:,} wanted accepted"]
    if surplus:
        parts.append(f"{surplus:,} more than wanted")
    parts += _named("lost as", account.lost)
    parts += _named(f"of {count_of(account.edits.total(), 'edit')} not accepted for", account.faults)
    parts += [_given_up(account, name) for name in account.given_up]
    if account.is_out_of_money and account.ended:
        parts.append("stopped at max_cost: raise it to go on")
    short = Counter({name: account.short(name) for name in account.wanted if account.short(name)})
    if account.open.total() or (account.is_out_of_money and not account.ended):
        return [*parts, *_forecast(outlook.now, account)]
    return [*parts, *_named("short of", short)]


def note(outlook: Outlook) -> str:
    """How far it is, in some words."""
    account, cost = outlook.account, outlook.now.cost
    said = f"{account.accepted.total():,}/{account.quota.accepted:,} accepted"
    currency = account.costs.prices.currency
    return said if cost is None else f"{said}, about {show_amount(round(cost.middle * NANO), currency)} in all"


def _forecast(of: Forecast, account: Account) -> list[str]:
    """What is to be said of a forecast, part by part."""
    currency = account.costs.prices.currency
    parts = [f"{of.accepted:,} accepted take {_about(of.rows)} rows", f"{_about(of.edits)} edits"]
    if of.cost is not None:
        middle, low, high = (show_amount(round(each * NANO), currency) for each in of.cost)
        parts.append(f"{middle} ({low} to {high})")
        shared = [f"{show_amount(round(each * NANO), currency)} to {name}" for name, each in of.by_part.items()]
        parts += [f"of it {shared[0]}", *shared[1:]] if shared else []
        if of.accepted:
            parts.append(f"{show_amount(round(of.cost.middle / of.accepted * NANO), currency)} each")
    if of.affordable is not None:
        limit = show_amount(round((account.quota.max_cost or 0) * NANO), currency)
        parts.append(f"max_cost ({limit}) is enough for about {of.affordable:,} of them")
    return parts


def _about(of: Range) -> str:
    return f"{of.middle:,.0f} ({of.low:,.0f} to {of.high:,.0f})"


def _given_up(account: Account, name: str) -> str:
    ended = account.accepted[name] + account.rejected[name]
    return f"given up: `{name}`, of which {account.accepted[name]:,} of {ended:,} were accepted"


def _named(what: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    most: Sequence[tuple[str, int]] = Counter(counts).most_common(_NAMED)
    further = sum(counts.values()) - sum(count for _, count in most)
    named = [f"{name} ({count:,})" for name, count in most] + ([f"others ({further:,})"] if further else [])
    return [f"{what} {named[0]}", *named[1:]]
