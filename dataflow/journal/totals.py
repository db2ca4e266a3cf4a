"""The sums of money over a journal."""

from dataclasses import dataclass


@dataclass(slots=True)
class Money:
    """Sums over a journal, in billionths of its currency.

    Attributes:
        spent: what attempts cost, as far as it is known.
        estimated: of this, what was priced as usual pictures, since the replies counted no tokens.
        unsure: what those of unknown cost may have cost at most.
        reserved: what those that have not ended may cost at most: in flight, or cut off in an earlier run.
        unpriced: attempts of unknown cost that no bound is known for either.
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
        """What may have been spent at most, with what is in flight."""
        return self.spent + self.unsure + self.reserved
