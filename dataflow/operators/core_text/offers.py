"""What a model that sees photographs is offered for each, where a mix of operations is wanted.

It follows from the mix and from the photograph's place in the line, and from nothing that became of others: so what
was asked once is asked by every larger set, and nothing that was paid is lost. What is missing decides only where the
line ends, which places are passed over, and which choice is worth an edit.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import islice

from dataflow.operators.core_text.choice import OFFERED
from dataflow.taxonomy.mix import interleaved

NARROW_EACH = 2
"""Of the places of an operation every second one offers nothing else: so operations that a model never takes of its own
accord come to their part. Simulated over 38 operations of photographs, 500 wanted, a model with tastes: never, and an
operation may stay short for ever; each fourth, 1,472 looks and 1,401 edits; each second, 1,128 and 1,511; each, so that
nothing is ever chosen, 839 and 1,634."""

_WINDOW = 10 * OFFERED


class Offers:
    """The operations offered at each place of a line, each with its turn by the mix.

    Args:
        shares: operation → its part of the mix.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._line = interleaved(shares)
        self._places: list[tuple[str, bool]] = []  # the operation whose turn it is, and whether it is offered alone
        self._met: Counter[str] = Counter()
        self._known = {(name, alone): (name, alone) for name in shares for alone in (False, True)}
        self._operations = len(shares)

    def at(self, place: int) -> tuple[str, ...]:
        """The operations offered there, first the one whose turn it is."""
        self._draw(place + _WINDOW)
        first, alone = self._places[place]
        if alone:
            return (first,)
        near = dict.fromkeys(name for name, _ in islice(self._places, place, place + _WINDOW))
        return tuple(islice(near, OFFERED))

    def _draw(self, end: int) -> None:
        for name in islice(self._line, max(0, end - len(self._places))):
            self._met[name] += 1
            self._places.append(self._known[name, self._met[name] % NARROW_EACH == 0])
