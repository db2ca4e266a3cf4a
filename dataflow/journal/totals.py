"""The sums of money over a journal."""

from dataclasses import dataclass


@dataclass(slots=True)
class Money:
    """Sums over a journal, in billionths of its currency.

    Attributes:
        spent: what the attempts of known cost have cost.
        estimated: the part of `spent` that was priced as usual pictures, since the replies counted no tokens.
        unsure: what the attempts of unknown cost may have cost at most.
        reserved: what the attempts without an end may cost at most: those in flight and those cut off in earlier runs.
        unpriced: how many attempts of unknown cost have no known bound either.
        currency: of the sums.
    """

    spent: int = 0
    estimated: int = 0
    unsure: int = 0
    reserved: int = 0
    unpriced: int = 0
    currency: str = "USD"

    @property
    def committed(self) -> int:
        """The most that may have been spent, attempts in flight included; what `max_cost` is compared with."""
        return self.spent + self.unsure + self.reserved
