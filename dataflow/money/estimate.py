"""What a dry run found, in numbers and in words."""

from dataclasses import dataclass

from dataflow.core.records import NANO
from dataflow.core.words import count_of, duration, show_amount

NO_PRICE = "at a cost that no price table tells (give one with prices= or --prices)"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run of a step found; amounts in the currency of the summary.

    Args:
        remaining: requests that a run would send, first rounds only: retries and further rounds come on top.
        answered: requests whose answer is there already.
        up_to: the step's input is not made yet: these are upper bounds.
        charged: whether somebody charges for what remains.
        most: what one attempt at each of these can cost at most.
        about: what they usually cost, as far as that is known.
        unknown: requests that `about` knows nothing of.
        seconds: how long it takes.
        measured: that is by the speed of the step's last run, not by an assumption.
        assumed: seconds that a request was taken for.
    """

    remaining: int
    answered: int
    up_to: bool
    charged: bool
    most: float
    about: float
    unknown: int
    seconds: float
    measured: bool
    assumed: tuple[float, ...]

    def describe(self, currency: str) -> str:
        """In words."""
        upto = "up to " if self.up_to else ""
        parts = [f"{upto}{count_of(self.remaining, 'request')} to send, {self.answered:,} answered already"]
        if self.remaining and self.charged:
            parts.append(self._cost(currency))
        if self.remaining:
            how = "by the speed of the last run"
            if not self.measured:
                how = f"if a request takes {' or '.join(f'{each:g}' for each in self.assumed)} s, which is assumed"
            parts.append(f"about {duration(self.seconds)} ({how})")
        return ", ".join(parts)

    def _cost(self, currency: str) -> str:
        most = show_amount(round(self.most * NANO), currency, up=True)
        if self.unknown or not self.about:
            return f"at most {most}" if self.most else NO_PRICE
        about = f"about {show_amount(round(self.about * NANO), currency)}"
        return f"{about}, at most {most}" if self.most else about
