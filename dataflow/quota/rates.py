"""Estimates how often rows are accepted: by priors first, and more and more by the rows that ended.

First tries and further tries (retries) have rates of their own, since the rows that need a retry are the hard ones: of
the demo's hard rows 74 of 100 first tries pass, and 4 to 31 of 100 retries, depending on `retry`. The rates are those
of beta distributions. An operation with few rows has the rate of its prior, and its retries have the rate of the
retries of all operations.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

PRIOR_ROWS = 8.0
"""Number of rows whose weight a prior has. The pass rates of one editor's operations scatter around those of another
editor like the means of so many rows."""

RETRY, RETRY_WEIGHT = 0.35, 4.0
"""Assumed ratio of the pass rate of retries to that of first tries, and its weight in tries. On the demo the ratio was
.1 to .4, and .65 where every try is drawn anew."""

REACHES = (7.8, 0.2)
"""Assumption about eight rows: how many reach an edit, and how many have no fit text or picture."""

LEAST_ROWS = 25
"""Number of ended rows after which an operation may be given up."""

SURE = 0.05
"""An operation is given up if the probability that its rate is high enough is below this."""


@dataclass(slots=True)
class PassRates:
    """The pass rates of each operation.

    Args:
        priors: operation → the assumed share of its first tries that is accepted.
        tries: greatest number of tries of a row.
    """

    priors: Mapping[str, float]
    tries: int
    # Counts of first tries, of retries and of rows, each by operation and whether it was accepted.
    _first: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _retry: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _ended: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _reached: Counter[bool] = field(default_factory=Counter)  # rows by whether they reached an edit
    _pool: tuple[float, float] = (RETRY * RETRY_WEIGHT, RETRY_WEIGHT)  # as `_pooled` says
    _passes: dict[str, float] = field(default_factory=dict)  # results of `passes`, kept until a row is added

    def add(self, operation: str, *, tries: int, accepted: bool) -> None:
        """Add a row that was accepted or rejected.

        Args:
            operation: the operation of its edit.
            tries: number of its tries; 0: the row has no edit.
            accepted: its last try was accepted.
        """
        self._reached[tries > 0] += 1
        self._ended[operation, accepted] += 1
        if tries:
            self._first[operation, accepted and tries == 1] += 1
        if tries > 1:
            self._retry[operation, accepted] += 1
            self._retry[operation, False] += tries - 2
            self._pool = self._pooled()
            self._passes.clear()
        self._passes.pop(operation, None)

    def add_without_edit(self) -> None:
        """Add a row without an edit that says nothing about its operation."""
        self._reached[False] += 1

    @property
    def reaches(self) -> float:
        """The estimated share of rows that reach an edit."""
        return _mean((REACHES[0] + self._reached[True], REACHES[1] + self._reached[False]))

    def passes(self, operation: str) -> float:
        """Return the estimated share of an operation's rows with an edit that is accepted."""
        passes = self._passes.get(operation)
        if passes is None:
            first, again = _mean(self._beta_first(operation)), _mean(self._beta_retry(operation))
            passes = self._passes[operation] = 1 - (1 - first) * (1 - again) ** (self.tries - 1)
        return passes

    def row(self, operation: str) -> float:
        """Return the estimated share of all rows of an operation that is accepted."""
        return self.passes(operation) * self.reaches

    def is_hopeless(self, operation: str, share: float) -> bool:
        """Whether almost certainly a smaller share of an operation's rows than `share` is accepted."""
        good, bad = self._ended[operation, True], self._ended[operation, False]
        if good + bad < LEAST_ROWS or good > 2 * share * (good + bad):
            return False
        # Jeffreys' prior and not that of `priors`, which other editors' results could keep hopeful for ever.
        return above(share, 0.5 + good, 0.5 + bad) < SURE

    def draw(
        self, chance: "Generator", draws: int, operations: Sequence[str]
    ) -> tuple["NDArray[float64]", "NDArray[float64]", "NDArray[float64]"]:
        """Draw rates from their posterior distributions.

        Args:
            chance: the generator of random numbers.
            draws: number of draws.
            operations: the operations.

        Returns:
            The share of rows that reach an edit, shape (draws, 1), and the pass rates of first tries and of retries,
            both of shape (draws, operations).
        """
        import numpy as np

        passed, trials = self._pool
        reaches = chance.beta(REACHES[0] + self._reached[True], REACHES[1] + self._reached[False], (draws, 1))
        good, bad = np.array([self._beta_first(name) for name in operations]).T
        first = chance.beta(good, bad, (draws, len(operations)))
        again = np.clip(first * chance.gamma(passed, 1 / trials, (draws, 1)), 1 - _MOST, _MOST)
        seen = np.array([[self._retry[name, True], self._retry[name, False]] for name in operations]).T
        return reaches, first, chance.beta(PRIOR_ROWS * again + seen[0], PRIOR_ROWS * (1 - again) + seen[1])

    def _beta_first(self, operation: str) -> tuple[float, float]:
        prior = self.priors[operation]
        good, bad = self._first[operation, True], self._first[operation, False]
        return PRIOR_ROWS * prior + good, PRIOR_ROWS * (1 - prior) + bad

    def _beta_retry(self, operation: str) -> tuple[float, float]:
        again = min(_MOST, _mean(self._beta_first(operation)) * self._pool[0] / self._pool[1])
        good, bad = self._retry[operation, True], self._retry[operation, False]
        return PRIOR_ROWS * again + good, PRIOR_ROWS * (1 - again) + bad

    def _pooled(self) -> tuple[float, float]:
        """Return the retries of all operations that passed, and how many would have at the rates of first tries.

        Their ratio is how many times as often a retry passes as a first try.
        """
        passed, trials = RETRY * RETRY_WEIGHT, RETRY_WEIGHT
        for operation in dict.fromkeys(name for name, _ in self._retry):
            good, bad = self._retry[operation, True], self._retry[operation, False]
            passed += good
            trials += (good + bad) * _mean(self._beta_first(operation))
        return passed, trials


_MOST = 0.98  # greatest rate: a rate of 1 would leave no chance that a row is rejected
_STEPS = 400


def _mean(counts: tuple[float, float]) -> float:
    """Return the mean of the beta distribution with these counts of good and bad trials."""
    return counts[0] / sum(counts)


def best_of(passes: float, candidates: int) -> float:
    """Return the probability that one of several candidates of a try is accepted.

    Further candidates count like retries, since all candidates of a hard row are hard.

    Args:
        passes: the probability for one candidate.
        candidates: number of candidates, from 1.
    """
    return max(passes, min(_MOST, 1 - (1 - passes) * (1 - RETRY * passes) ** (candidates - 1)))


def above(share: float, good: float, bad: float) -> float:
    """Return the probability that a value of the beta distribution Beta(good, bad) is above `share`.

    The integral is by the midpoint rule, exact to 1e-4 if `good` and `bad` are at least 0.5. scipy has this function,
    but takes 143 MB.
    """
    mean, spread = good / (good + bad), math.sqrt(good * bad / (good + bad + 1)) / (good + bad)
    end = min(1.0, max(share, mean) + 14 * spread)
    width = (end - share) / _STEPS
    scale = math.lgamma(good + bad) - math.lgamma(good) - math.lgamma(bad)
    points = (share + (step + 0.5) * width for step in range(_STEPS))
    return width * sum(
        math.exp(scale + (good - 1) * math.log(x) + (bad - 1) * math.log1p(-x)) for x in points if 0 < x < 1
    )
