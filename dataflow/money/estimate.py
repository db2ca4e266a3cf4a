"""What a dry run found, in numbers and in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataflow.core.records import NANO
from dataflow.core.words import count_of, duration, show_amount

GIVE_PRICE = "give one with prices= or --prices; {free: true} for a server of your own"
NO_PRICE = f"at a cost that no price table tells ({GIVE_PRICE})"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run of a step found; amounts in its currency. What a provider makes us ask again comes on top.

    Args:
        remaining: requests that a run would usually send.
        remaining_most: requests that it would send at most, where answers will not do and the operator asks again.
        assumed: requests among the remaining that nobody has seen: they depend on answers that are not there.
        answered: requests whose answer is there already.
        up_to: the step's input is not made yet: it is counted on as many rows as the step before may write.
        charged: whether somebody charges for what remains.
        currency: of the amounts.
        most: what one attempt at each of the most requests can cost at most.
        bounded: all that is charged has a price, so `most` leaves nothing out.
        first: what the first request can cost at most; 0: it is not known yet.
        left: what `max_cost` leaves in the directory; None: there is no limit.
        about: what the remaining requests usually cost, as far as that is known.
        unknown: remaining requests that `about` leaves out.
        usual_each: what a request for a picture was assumed to cost; empty: by the prices of pictures, or by answers of
            this step that are there.
        seconds: how long the remaining requests take.
        seconds_each: how long a request was assumed to take; empty: the speed of the last run is known.
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
        """How long it takes, and why that is believed."""
        each = f"if a request takes {_seconds([self])}, which is assumed"
        return f"about {duration(self.seconds)} ({each if self.seconds_each else 'by the speed of the last run'})"


def describe_total(estimates: Sequence[Estimate]) -> str:
    """The dry runs of a pipeline's steps together, in one line."""
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
    said = [", ".join(parts)]
    if assumptions:
        *first, last = assumptions
        said.append(f"assumed: {', '.join(first)}{', and ' if first else ''}{last}")
    return "; ".join([*said, "nothing was sent"])


def _requests(count: int, most: int, notes: list[str]) -> str:
    if most > count:
        notes = [*notes, f"{most:,} if answers will not do"]
    return f"{count_of(count, 'request')} to send" + (f" ({', '.join(notes)})" if notes else "")


def _costs(charged: Sequence[Estimate], *, usual: str = "") -> list[str]:
    """What the estimates of steps that charge come to."""
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
    """What `max_cost` does not leave enough for.

    Args:
        first: of the steps.
        about: billionths that all of them usually cost.
        most: billionths that they cost at most.
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
