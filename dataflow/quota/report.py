"""Reports the figures of a quota: for the step's meta file, and in words for the user."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, NANO
from dataflow.core.words import count_of, show_amount
from dataflow.quota.forecast import Forecast, Outlook, Range
from dataflow.quota.next_row import Account

_NAMED = 4  # greatest number of faults, reasons or operations that are named in words


def report(outlook: Outlook) -> dict[str, JSON]:
    """Return all figures of a quota for the step's meta file."""
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
    """Return the figures of a quota in words, as parts of one sentence."""
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
    """Return in a few words how many rows are accepted and what all will cost, for the progress bar."""
    account, cost = outlook.account, outlook.now.cost
    accepted = f"{account.accepted.total():,}/{account.quota.accepted:,} accepted"
    currency = account.costs.prices.currency
    return accepted if cost is None else f"{accepted}, about {show_amount(round(cost.middle * NANO), currency)} in all"


def _forecast(forecast: Forecast, account: Account) -> list[str]:
    """Return a forecast in words, as parts of one sentence."""
    currency = account.costs.prices.currency
    parts = [
        f"{forecast.accepted:,} accepted take {_range(forecast.rows)} rows",
        f"{_range(forecast.edits)} edits",
    ]
    if forecast.cost is not None:
        middle, low, high = (show_amount(round(each * NANO), currency) for each in forecast.cost)
        parts.append(f"{middle} ({low} to {high})")
        shares = [f"{show_amount(round(cost * NANO), currency)} to {name}" for name, cost in forecast.by_part.items()]
        parts += [f"of it {shares[0]}", *shares[1:]] if shares else []
        if forecast.accepted:
            parts.append(f"{show_amount(round(forecast.cost.middle / forecast.accepted * NANO), currency)} each")
    if forecast.affordable is not None:
        limit = show_amount(round((account.quota.max_cost or 0) * NANO), currency)
        parts.append(f"max_cost ({limit}) is enough for about {forecast.affordable:,} of them")
    return parts


def _range(values: Range) -> str:
    return f"{values.middle:,.0f} ({values.low:,.0f} to {values.high:,.0f})"


def _given_up(account: Account, name: str) -> str:
    ended = account.accepted[name] + account.rejected[name]
    return f"given up: `{name}`, of which {account.accepted[name]:,} of {ended:,} were accepted"


def _named(what: str, counts: Mapping[str, int]) -> list[str]:
    """Return the most frequent names with their counts, the first one behind `what`, and the rest as "others"."""
    if not counts:
        return []
    most: Sequence[tuple[str, int]] = Counter(counts).most_common(_NAMED)
    further = sum(counts.values()) - sum(count for _, count in most)
    named = [f"{name} ({count:,})" for name, count in most] + ([f"others ({further:,})"] if further else [])
    return [f"{what} {named[0]}", *named[1:]]
