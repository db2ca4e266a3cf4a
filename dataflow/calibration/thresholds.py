"""The lowest threshold above which a judge keeps a promise: of what it accepts, at most so much is bad.

From the top down each threshold is tested by the exact binomial tail, until one fails; the last that passed is the
answer. The first wrong promise stands in the way of all below it, so one is made at most as often as one test errs,
however many there were. Source: learn then test, fixed sequences, https://arxiv.org/abs/2110.01052.

Where the tests begin is decided by what was judged and not by what was said of it: at the first threshold above which
a third of the labels is to be expected, and so many that one bad among them does not end the search. Few labels at the
very top would only give chance an occasion. Whoever is unsure would not train on an edit, so it counts as bad.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dataflow.calibration.joining import Joined
from dataflow.calibration.statistics import at_most

_MOST = 20  # thresholds that are tried; more of them give chance more occasions to end the search
_PART = 1 / 3
_FAR = 10_000  # labels: more than anybody makes


@dataclass(frozen=True, slots=True)
class Tested:
    """One threshold.

    Args:
        at: the least number that each axis needs.
        share: of all edits, those that reach it.
        accepted: labelled edits that reach it and were drawn so that they speak for all of these.
        bad: of these, those that are not good.
        chance: that there would be so few bad ones if the promise were just broken; None: not tested.
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
    """What came of it.

    Args:
        tested: all thresholds, from the top down.
        floor: below it these labels cannot promise anything.
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
        precision: the share of what is accepted that is to be good.
        confidence: of all samples of labels at most the rest comes to a promise that is broken.
    """
    return _search(_sequence(joined), precision, confidence)


def carried(joined: Joined, *, below: float, confidence: float) -> tuple[float, Tested] | None:
    """The highest precision in hundredths, less than this and half at least, that labels can promise, and where.

    Args:
        joined: labels and verdicts.
        below: what they cannot promise.
        confidence: as for that.
    """
    sequence = _sequence(joined)
    for hundredths in range(math.ceil(below * 100) - 1, 49, -1):
        found = _search(sequence, hundredths / 100, confidence).found
        if found is not None:
            return hundredths / 100, found
    return None


@dataclass(frozen=True, slots=True)
class _Sequence:
    """The thresholds from the top down, and how many labels are to be expected at or above each."""

    floor: float
    seen: Sequence[Tested]
    expected: Sequence[float]


def _sequence(joined: Joined) -> _Sequence:
    floor = min((each.drawn_from for each in joined.labelled), default=math.inf)
    at = thresholds_of(joined.lowest, floor)
    return _Sequence(floor, [_seen(joined, each) for each in at], [_expected(joined, each) for each in at])


def _search(sequence: _Sequence, precision: float, confidence: float) -> Search:
    floor, seen, expected = sequence.floor, sequence.seen, sequence.expected
    if not seen:
        return Search((), floor, None)
    enough = max(fewest(1, precision=precision, confidence=confidence), _PART * max(expected))
    begin = next((at for at, labels in enumerate(expected) if labels >= enough), int(np.argmax(expected)))
    tested, found = list(seen[:begin]), None
    for at, each in enumerate(seen[begin:], begin):
        chance = at_most(each.bad, each.accepted, 1 - precision)
        holds = each.accepted > 0 and chance <= 1 - confidence
        tested.append(Tested(each.at, each.share, each.accepted, each.bad, chance, holds))
        if not holds:
            return Search([*tested, *seen[at + 1 :]], floor, found)
        found = tested[-1]
    return Search(tested, floor, found)


def _seen(joined: Joined, at: float) -> Tested:
    """The labels that speak for all edits at or above a threshold: drawn there alone, or of more than these."""
    usable = [each for each in joined.labelled if each.edit.lowest >= at >= each.drawn_from]
    accepted = sum(each.copies for each in usable)
    return Tested(at, joined.share_at(at), accepted, accepted - sum(each.copies for each in usable if each.is_good))


def _expected(joined: Joined, at: float) -> float:
    """How many labels at or above a threshold such a sample has on average; by verdicts alone."""
    drawn = Counter[float]()
    for each in joined.labelled:
        if each.drawn_from <= min(at, each.edit.lowest):
            drawn[each.drawn_from] += each.copies
    share = joined.share_at(at)
    return sum(labels * share / joined.share_at(drawn_from) for drawn_from, labels in drawn.items())


def thresholds_of(lowest: Mapping[float, int], floor: float) -> list[float]:
    """The thresholds that are tried, from the top down: what the judge's numbers are, and the floor itself.

    Of many different numbers those are taken that part the edits evenly.
    """
    numbers = sorted((at for at in lowest if at >= floor), reverse=True)
    if len(numbers) > _MOST:
        reached = np.cumsum([lowest[at] for at in numbers])
        places = np.searchsorted(reached, reached[-1] * np.arange(1, _MOST + 1) / _MOST)
        numbers = [numbers[at] for at in dict.fromkeys(places.tolist())]
    return [*numbers, floor] if numbers and floor < numbers[-1] and floor > 0 else numbers


def fewest(bad: int, *, precision: float, confidence: float) -> int:
    """So many accepted labels, of which some are bad, are needed for a promise."""
    return bad + more_needed(bad, bad, precision=precision, confidence=confidence)


def more_needed(accepted: int, bad: int, *, precision: float, confidence: float) -> int:
    """How many more accepted edits must be labelled, all of them good, until the promise can be given."""

    def holds(more: int) -> bool:
        return accepted + more > 0 and at_most(bad, accepted + more, 1 - precision) <= 1 - confidence

    low, high = 0, 1
    if holds(0):
        return 0
    while not holds(high) and high < _FAR:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
