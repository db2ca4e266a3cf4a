"""How often rows are accepted: what was believed before, and what was seen since.

A retry is no second first try: of the demo's hard rows 74 of 100 pass at first, and 4 to 31 of what is then tried
again, by the way of asking. So first tries and retries have rates of their own. An operation of which little was seen
goes by its prior, and its retries by those of all operations.
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
"""Rows that a prior weighs. Operations of one editor scatter so around the rates that another one showed."""

RETRY, RETRY_WEIGHT = 0.35, 4.0
"""Before anything was seen a retry passes so many times as often as a first try; on the demo it was .1 to .4, and .65
where every try is drawn anew. The weight is in tries."""

REACHES = (7.8, 0.2)
"""Of eight rows, before any was seen: those that come to an edit, and those of which no text or picture would do."""

LEAST_ROWS = 25
"""Rows after which an operation may be given up."""

SURE = 0.05


@dataclass(slots=True)
class PassRates:
    """What was seen of each operation.

    Args:
        priors: operation → the share of first tries that is accepted, as believed before.
        tries: of a row at most.
    """

    priors: Mapping[str, float]
    tries: int
    _first: Counter[tuple[str, bool]] = field(default_factory=Counter)  # by operation and whether it was accepted
    _retry: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _reached: Counter[bool] = field(default_factory=Counter)
    _ended: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _pool: tuple[float, float] = (RETRY * RETRY_WEIGHT, RETRY_WEIGHT)
    _passes: dict[str, float] = field(default_factory=dict)  # of rows that come to an edit, until more is seen

    def saw(self, operation: str, *, tries: int, accepted: bool) -> None:
        """A row ended for good.

        Args:
            operation: its edit's.
            tries: that it had; 0: it was lost before its edit.
            accepted: whether its last try was.
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

    def missed(self) -> None:
        """A row came to no edit, and that says nothing of an operation."""
        self._reached[False] += 1

    @property
    def reaches(self) -> float:
        """The share of rows that come to an edit, as far as is known."""
        return _mean((REACHES[0] + self._reached[True], REACHES[1] + self._reached[False]))

    def passes(self, operation: str) -> float:
        """The share of its rows that is accepted of those that come to an edit, as far as is known."""
        passes = self._passes.get(operation)
        if passes is None:
            first, again = _mean(self._beta_first(operation)), _mean(self._beta_retry(operation))
            passes = self._passes[operation] = 1 - (1 - first) * (1 - again) ** (self.tries - 1)
        return passes

    def row(self, operation: str) -> float:
        """The share of its rows that is accepted, as far as is known."""
        return self.passes(operation) * self.reaches

    def is_hopeless(self, operation: str, share: float) -> bool:
        """Whether surely fewer of its rows than this share are accepted."""
        good, bad = self._ended[operation, True], self._ended[operation, False]
        if good + bad < LEAST_ROWS or good > 2 * share * (good + bad):
            return False
        return above(share, 0.5 + good, 0.5 + bad) < SURE  # Jeffreys' prior: what others measured is no hope

    def draw(
        self, chance: "Generator", draws: int, operations: Sequence[str]
    ) -> tuple["NDArray[float64]", "NDArray[float64]", "NDArray[float64]"]:
        """Rates that may be true: of rows that reach their edit, of first tries, and of retries.

        Args:
            chance: draws them.
            draws: how many sets.
            operations: of the columns.

        Returns:
            Shapes (draws, 1), (draws, operations), (draws, operations).
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
        """Retries that passed, and how many would have if they passed as often as first tries, of all operations."""
        passed, trials = RETRY * RETRY_WEIGHT, RETRY_WEIGHT
        for operation in dict.fromkeys(name for name, _ in self._retry):
            good, bad = self._retry[operation, True], self._retry[operation, False]
            passed += good
            trials += (good + bad) * _mean(self._beta_first(operation))
        return passed, trials


_MOST = 0.98
_STEPS = 400


def _mean(counts: tuple[float, float]) -> float:
    """Of a rate of which so many good and bad trials were seen."""
    return counts[0] / sum(counts)


def best_of(passes: float, candidates: int) -> float:
    """How likely one of several edits of a try is accepted, if one alone is with `passes`: they share what is hard."""
    return max(passes, min(_MOST, 1 - (1 - passes) * (1 - RETRY * passes) ** (candidates - 1)))  # never quite surely


def above(share: float, good: float, bad: float) -> float:
    """How likely a rate of which `good` and `bad` were seen is above a share: the tail of Beta(good, bad).

    By the midpoint rule, to 1e-4 from `good` and `bad` of half a trial on; scipy would add 143 MB.
    """
    mean, spread = good / (good + bad), math.sqrt(good * bad / (good + bad + 1)) / (good + bad)
    end = min(1.0, max(share, mean) + 14 * spread)
    width = (end - share) / _STEPS
    scale = math.lgamma(good + bad) - math.lgamma(good) - math.lgamma(bad)
    points = (share + (step + 0.5) * width for step in range(_STEPS))
    return width * sum(
        math.exp(scale + (good - 1) * math.log(at) + (bad - 1) * math.log1p(-at)) for at in points if 0 < at < 1
    )
