"""The estimate of a dry run, in numbers and in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataflow.core.records import NANO
from dataflow.core.words import count_of, duration, show_amount

GIVE_PRICE = "give one with prices= or --prices; {free: true} for a server of your own"
NO_PRICE = f"at a cost that no price table tells ({GIVE_PRICE})"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run of one step would ask and cost.

    Amounts are in `currency`. Retries after passing failures are in none of the numbers.

    Args:
        remaining: number of requests that a run would usually send.
        remaining_most: greatest number of requests, if answers are unfit and operators ask again.
        assumed: number of the remaining requests that depend on answers to come, and so were only assumed.
        answered: number of requests whose answers the journal has.
        up_to: the step's input is not made yet; the numbers are for as many rows as the step before may write.
        charged: somebody charges for remaining requests.
        currency: the currency of all amounts.
        most: highest cost of `remaining_most` requests, one attempt each.
        bounded: every remaining request that is charged has a price, so that `most` includes all.
        first: highest cost of the first request; 0: not known.
        left: amount that `max_cost` leaves in the directory; None: there is no limit.
        about: usual cost of the remaining requests, without those of unknown cost.
        unknown: number of remaining requests of unknown cost.
        usual_each: assumed costs of one request for a picture; empty: `about` follows from prices for each picture, or
            from the costs of this step's answers.
        seconds: time that the remaining requests take.
        seconds_each: assumed times of one request; empty: `seconds` follows from the speed of the last run.
    """

    remaining: int
    remaining_most: int
    assumed: int
    answered: int
    up_to: bool
    charged: bool
    currency: str
    most: float
    bounded: bool
    first: float
    left: float | None
    about: float
    unknown: int
    usual_each: tuple[float, ...]
    seconds: float
    seconds_each: tuple[float, ...]

    def __str__(self) -> str:
        notes = [f"{self.assumed:,} of them assumed"] if self.assumed and not self.up_to else []
        parts = [("up to " if self.up_to else "") + _requests(self.remaining, self.remaining_most, notes)]
        parts.append(f"{self.answered:,} answered already")
        if self.remaining and self.charged:
            parts += _costs([self], usual=_usual([self]))
        if self.remaining:
            parts.append(self.time_in_words)
        return ", ".join(parts)

    @property
    def time_in_words(self) -> str:
        """The time that the remaining requests take, and on what this number is based."""
        each = f"if a request takes {_seconds([self])}, which is assumed"
        return f"about {duration(self.seconds)} ({each if self.seconds_each else 'by the speed of the last run'})"


def describe_total(estimates: Sequence[Estimate]) -> str:
    """Return the sum of the estimates of a pipeline's steps, in one line."""
    remaining = sum(each.remaining for each in estimates)
    requests = _requests(remaining, sum(each.remaining_most for each in estimates), [])
    parts = [f"in all {requests}", f"{sum(each.answered for each in estimates):,} answered already"]
    if charged := [each for each in estimates if each.charged and each.remaining]:
        parts += _costs(charged)
    parts.append(f"about {duration(sum(each.seconds for each in estimates))}")
    assumptions = []
    if assumed := sum(each.assumed for each in estimates):
        assumptions.append(f"{assumed:,} of the requests, which depend on answers to come")
    if any(each.up_to for each in estimates):
        assumptions.append("that no step drops a row")
    assumptions += [f"{usual} for a picture" for usual in [_usual(charged)] if usual]
    assumptions += [f"{seconds} for a request" for seconds in [_seconds(estimates)] if seconds]
    clauses = [", ".join(parts)]
    if assumptions:
        *first, last = assumptions
        clauses.append(f"assumed: {', '.join(first)}{', and ' if first else ''}{last}")
    return "; ".join([*clauses, "nothing was sent"])


def _requests(count: int, most: int, notes: list[str]) -> str:
    if most > count:
        notes = [*notes, f"{most:,} if answers will not do"]
    return f"{count_of(count, 'request')} to send" + (f" ({', '.join(notes)})" if notes else "")


def _costs(charged: Sequence[Estimate], *, usual: str = "") -> list[str]:
    """Return the costs of several steps that charge, in words."""
    about = round(sum(each.about for each in charged) * NANO)
    most = round(sum(each.most for each in charged) * NANO)
    unknown = sum(each.unknown for each in charged)
    currency, parts = charged[0].currency, []
    if about:
        besides = f" beside {count_of(unknown, 'request')} of unknown cost" if unknown else ""
        how = f" (if a picture costs {usual}, which is assumed)" if usual else ""
        parts.append(f"about {show_amount(about, currency)}{how}{besides}")
    if most:
        part = "" if all(each.bounded for each in charged) else " for what has a price"
        parts.append(f"at most {show_amount(most, currency, up=True)} before retries{part}")
    return [*(parts or [NO_PRICE]), *_lacks(charged[0], about, most)]


def _lacks(first: Estimate, about: int, most: int) -> list[str]:
    """Return in words whether `max_cost` leaves too little; nothing if it leaves enough.

    Args:
        first: the estimate of the first step.
        about: usual cost of all steps, in billionths.
        most: highest cost of all steps, in billionths.
    """
    if first.left is None:
        return []
    left, each = round(first.left * NANO), round(first.first * NANO)
    leaves = f"max_cost leaves {show_amount(left, first.currency)}"
    if left < each:
        return [f"{leaves}: no room for the first request, which may cost {show_amount(each, first.currency, up=True)}"]
    if left < about:
        return [f"{leaves}: not enough"]
    return [f"{leaves}: perhaps not enough"] if left < most else []


def _usual(estimates: Iterable[Estimate]) -> str:
    each = sorted({(price, estimate.currency) for estimate in estimates for price in estimate.usual_each})
    return " or ".join(show_amount(round(price * NANO), currency) for price, currency in each)


def _seconds(estimates: Iterable[Estimate]) -> str:
    each = sorted({seconds for estimate in estimates for seconds in estimate.seconds_each})
    return " or ".join(f"{seconds:g}" for seconds in each) + " s" if each else ""
