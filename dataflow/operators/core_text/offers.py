"""Decides which operations a model that sees a photograph may choose from, where a quota has a mix of operations.

The offered operations follow from the mix and from the photograph's index alone, and not from what became of other
photographs. So a run with a larger quota asks every question that a run with a smaller one asked, and no paid answer
is lost. The rows that are still wanted decide only how many photographs are looked at, which of them are skipped, and
which choices are edited.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import islice

from dataflow.operators.core_text.choice import OFFERED
from dataflow.taxonomy.mix import interleaved

NARROW_EACH = 2
"""Every second turn of an operation offers this operation alone, so that operations that a model never chooses by
itself get their part. Simulated over 38 operations of photographs, 500 wanted rows and a model that prefers some
operations: never alone: an operation may stay short for ever; every fourth turn: 1,472 looks and 1,401 edits; every
second turn: 1,128 looks and 1,511 edits; every turn, so that the model never chooses: 839 looks and 1,634 edits."""

_WINDOW = 10 * OFFERED


class Offers:
    """The operations that are offered for each photograph, by its index; operations take turns by the mix.

    Args:
        shares: operation → its share of the rows; the shares add up to 1.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._operations = interleaved(shares)
        self._turns: list[tuple[str, bool]] = []  # by index: the operation, and whether it is offered alone
        self._count: Counter[str] = Counter()
        # One tuple for all turns of one kind: a million photographs then take 8 MB.
        self._shared = {(name, is_alone): (name, is_alone) for name in shares for is_alone in (False, True)}

    def offered(self, index: int) -> tuple[str, ...]:
        """Return the operations that are offered for photograph `index`, first the operation whose turn it is."""
        self._extend(index + _WINDOW)
        operation, is_alone = self._turns[index]
        if is_alone:
            return (operation,)
        following = dict.fromkeys(name for name, _ in islice(self._turns, index, index + _WINDOW))
        return tuple(islice(following, OFFERED))

    def _extend(self, end: int) -> None:
        for name in islice(self._operations, max(0, end - len(self._turns))):
            self._count[name] += 1
            self._turns.append(self._shared[name, self._count[name] % NARROW_EACH == 0])
