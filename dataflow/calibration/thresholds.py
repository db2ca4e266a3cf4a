"""Finds the lowest threshold at which a judge keeps a promise: of the edits it accepts, at most so many are bad.

Thresholds are tested from the top down by the exact binomial tail until one fails; the last that passed is the answer.
A false threshold ends the search unless its own test errs. So the answer is false at most as often as one test errs,
however many thresholds are tested. Source: learn then test, fixed sequences, https://arxiv.org/abs/2110.01052.

The first threshold to test follows from the verdicts and not from the labels: it is the highest at or above which a
third of the labels is expected, and enough labels that a single bad one does not end the search. Tests on few labels at
the very top could fail by chance alone. The label "unsure" counts as bad, since nobody would train on such an edit.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dataflow.calibration.joining import Joined
from dataflow.calibration.statistics import at_most

_MOST_THRESHOLDS = 20  # each further test may fail by chance, and end the search
_FIRST_PART = 1 / 3  # of the labels, expected at or above the first threshold to test
_MOST_LABELS = 10_000  # more than people make


@dataclass(frozen=True, slots=True)
class Tested:
    """One threshold, and the result of its test.

    Args:
        at: the threshold: the least number that each axis needs.
        share: the share of all edits that reach the threshold.
        accepted: labelled edits that reach it, and were drawn at random from all edits that reach it.
        bad: bad edits among these.
        chance: the probability of so few bad edits if the promise were just broken; None: not tested.
        holds: whether the promise can be given.
    """

    at: float
    share: float
    accepted: int
    bad: int
    chance: float | None = None
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """The result of a search.

    Args:
        tested: all thresholds, from the top down.
        floor: the threshold below which these labels cannot promise anything; infinite: they promise nothing.
        found: the lowest threshold that keeps the promise; None: there is none.
    """

    tested: Sequence[Tested]
    floor: float
    found: Tested | None

    @property
    def failed(self) -> Tested | None:
        """The threshold at which the search ended; None: none failed."""
        return next((each for each in self.tested if each.chance is not None and not each.holds), None)


def search_threshold(joined: Joined, *, precision: float, confidence: float) -> Search:
    """Test thresholds from the top down.

    Args:
        joined: labels and verdicts.
        precision: the share of accepted edits that is to be good, between 0 and 1.
        confidence: the share of label samples that lead to no broken promise, between 0 and 1.
    """
    return _search(_sequence(joined), precision, confidence)


def carried(joined: Joined, *, below: float, confidence: float) -> tuple[float, Tested] | None:
    """The highest precision, in hundredths and at least one half, that labels can promise, and its threshold.

    Args:
        joined: labels and verdicts.
        below: the precision that the labels cannot promise.
        confidence: of the promise.
    """
    sequence = _sequence(joined)
    for hundredths in range(math.ceil(below * 100) - 1, 49, -1):
        found = _search(sequence, hundredths / 100, confidence).found
        if found is not None:
            return hundredths / 100, found
    return None


@dataclass(frozen=True, slots=True)
class _Sequence:
    """The thresholds in the order of the tests.

    Args:
        floor: the threshold below which the labels cannot promise anything.
        seen: the thresholds from the top down, not tested yet.
        expected: number of labels that is expected at or above each threshold.
    """

    floor: float
    seen: Sequence[Tested]
    expected: Sequence[float]


def _sequence(joined: Joined) -> _Sequence:
    floor = min((each.drawn_from for each in joined.labelled), default=math.inf)
    thresholds = thresholds_of(joined.lowest, floor)
    return _Sequence(
        floor, [_seen(joined, each) for each in thresholds], [_expected(joined, each) for each in thresholds]
    )


def _search(sequence: _Sequence, precision: float, confidence: float) -> Search:
    floor, seen, expected = sequence.floor, sequence.seen, sequence.expected
    if not seen:
        return Search((), floor, None)
    enough = max(fewest(1, precision=precision, confidence=confidence), _FIRST_PART * max(expected))
    begin = next((place for place, labels in enumerate(expected) if labels >= enough), int(np.argmax(expected)))
    tested, found = list(seen[:begin]), None
    for place, each in enumerate(seen[begin:], begin):
        chance = at_most(each.bad, each.accepted, 1 - precision)
        holds = each.accepted > 0 and chance <= 1 - confidence
        tested.append(Tested(each.at, each.share, each.accepted, each.bad, chance, holds))
        if not holds:
            return Search([*tested, *seen[place + 1 :]], floor, found)
        found = tested[-1]
    return Search(tested, floor, found)


def _seen(joined: Joined, threshold: float) -> Tested:
    """Count the labels that speak for all edits at or above a threshold: those drawn from all of them at random."""
    usable = [each for each in joined.labelled if each.edit.lowest >= threshold >= each.drawn_from]
    accepted = sum(each.copies for each in usable)
    return Tested(
        threshold, joined.share_at(threshold), accepted, accepted - sum(each.copies for each in usable if each.is_good)
    )


def _expected(joined: Joined, threshold: float) -> float:
    """The number of labels that such a sample has on average at or above a threshold, by the verdicts alone."""
    drawn = Counter[float]()
    for each in joined.labelled:
        if each.drawn_from <= min(threshold, each.edit.lowest):
            drawn[each.drawn_from] += each.copies
    share = joined.share_at(threshold)
    return sum(labels * share / joined.share_at(drawn_from) for drawn_from, labels in drawn.items())


def thresholds_of(lowest: Mapping[float, int], floor: float) -> list[float]:
    """The thresholds to test, from the top down: the judge's own numbers, and the floor.

    If the judge has many different numbers, those are taken that split the edits evenly.

    Args:
        lowest: lowest axis → number of edits.
        floor: the threshold below which the labels cannot promise anything.
    """
    numbers = sorted((at for at in lowest if at >= floor), reverse=True)
    if len(numbers) > _MOST_THRESHOLDS:
        reached = np.cumsum([lowest[at] for at in numbers])
        places = np.searchsorted(reached, reached[-1] * np.arange(1, _MOST_THRESHOLDS + 1) / _MOST_THRESHOLDS)
        numbers = [numbers[at] for at in dict.fromkeys(places.tolist())]
    return [*numbers, floor] if numbers and floor < numbers[-1] and floor > 0 else numbers


def fewest(bad: int, *, precision: float, confidence: float) -> int:
    """The least number of accepted and labelled edits, `bad` of them bad, with which a promise can be given."""
    return bad + more_needed(bad, bad, precision=precision, confidence=confidence)


def more_needed(accepted: int, bad: int, *, precision: float, confidence: float) -> int:
    """How many more accepted edits must be labelled, all of them good, until a promise can be given.

    Args:
        accepted: accepted edits that are labelled.
        bad: bad ones among these.
        precision: the share of good edits to promise.
        confidence: of the promise.
    """

    def holds(more: int) -> bool:
        return accepted + more > 0 and at_most(bad, accepted + more, 1 - precision) <= 1 - confidence

    low, high = 0, 1
    if holds(0):
        return 0
    while not holds(high) and high < _MOST_LABELS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
