"""Calibrates a judge by labels: finds a threshold with a promise, and gives all other figures with intervals."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataflow.calibration.edits import EDITED, passes_of
from dataflow.calibration.joining import VALUE, Joined, Labelled, join
from dataflow.calibration.labels import LABEL, UNSURE, Label
from dataflow.calibration.statistics import Figure, Indices, bootstrap, corrected_share, kappa, spearman
from dataflow.calibration.thresholds import Search, Tested, carried, more_needed, search_threshold
from dataflow.core.intervals import Interval, share_of
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.judging.promise import Promise
from dataflow.judging.verdict import THRESHOLD, VERDICT

PRECISION = CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Group:
    """The labelled and accepted edits of one operation.

    Args:
        name: the operation; "": rows without one.
        accepted: labelled edits that the judge accepts.
        good: good ones among these.
        more: further accepted edits to label, all of them good, until the operation has a promise of its own; 0: none.
    """

    name: str
    accepted: int
    good: int
    more: int

    @property
    def interval(self) -> Interval | None:
        """The share of good edits among the accepted; None: none is labelled."""
        return share_of(self.good, self.accepted) if self.accepted else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge agrees with labels, where the judge accepts edits at or above a threshold.

    Args:
        kappa: Cohen's kappa; labels "unsure" are left out.
        axes: axis → rank correlation of the axis with the labels.
        recall: the share of good edits that is accepted.
        good: the share of good edits among all, which is the accepted share corrected for the judge's errors; None: it
            cannot be told from these labels.
        oneself: how often people gave the same label to an edit that was shown twice; None: none was shown twice.
    """

    kappa: Figure
    axes: Mapping[str, Figure]
    recall: Figure
    good: Interval | None
    oneself: Interval | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of calibrating a judge.

    Args:
        joined: labels and verdicts.
        precision: the wanted share of good edits among the accepted.
        confidence: of the promise.
        search: the thresholds that were tested.
        carried: where the wanted precision cannot be promised: the highest precision that can, and its threshold; None:
            the wanted one can be promised, or not even one half.
        at: the threshold of the figures below: the promised one, or else the threshold at which labels were drawn.
        precise: the share of good edits among those accepted at this threshold; None: none of these is labelled.
        groups: figures by operation, those with most labels first.
        agreement: of the judge with the labels.
    """

    joined: Joined
    precision: float
    confidence: float
    search: Search
    carried: tuple[float, Tested] | None
    at: float
    precise: Interval | None
    groups: Sequence[Group]
    agreement: Agreement

    @property
    def promise(self) -> Promise | None:
        """The content of `thresholds.json`; None: nothing can be promised."""
        found = self.search.found
        if found is None:
            return None
        by = self.joined.judge, self.joined.rubric
        counted = found.accepted, found.bad
        return Promise(*by, found.at, self.precision, self.confidence, *counted, passes_of(self.joined.path))

    def needed(self, accepted: int, bad: int) -> int:
        """How many more edits must be labelled, all of them good, until the promise can be given.

        Args:
            accepted: accepted edits that are labelled.
            bad: bad ones among these.
        """
        return more_needed(accepted, bad, precision=self.precision, confidence=self.confidence)


def calibrate(
    labels: Sequence[Label],
    path: Path,
    *,
    precision: float = PRECISION,
    confidence: float = CONFIDENCE,
    edited: str = EDITED,
    verdict: str = VERDICT,
    seed: int = 0,
) -> Calibration:
    """Find the threshold at which a judge keeps a promise, and measure how far the judge agrees with the labels.

    Args:
        labels: from `read_labels`.
        path: file with the judge's verdicts, from `judged_file`.
        precision: the share of accepted edits that is to be good, between 0 and 1.
        confidence: the share of label samples that lead to no broken promise, between 0 and 1.
        edited: column of the edits.
        verdict: column of the verdicts.
        seed: of the bootstrap.

    Raises:
        ConfigError: a share is not between 0 and 1; there are no judged edits, or no labels of them.
        InputError: the file is missing or broken.
    """
    for name, share in (("precision", precision), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ConfigError(f"{name} is {share}: give a share between 0 and 1, such as 0.9")
    joined = join(labels, path, edited=edited, verdict=verdict)
    if not joined.labelled:
        none_found = f"none of {count_of(sum(each.kind == LABEL for each in labels), 'label')} is of an edit in {path}"
        raise ConfigError(f"{none_found}: give the directory whose edits were labelled")
    search = search_threshold(joined, precision=precision, confidence=confidence)
    lower = None if search.found else carried(joined, below=precision, confidence=confidence)
    threshold = search.found.at if search.found else drawing_threshold(joined.labelled)
    accepted = [each for each in joined.labelled if each.edit.lowest >= threshold]
    drawn = [each for each in accepted if each.drawn_from <= threshold]
    precise = share_of(*_counted(drawn)) if drawn else None
    groups = _groups(drawn, precision=precision, confidence=confidence)
    agreement = agreement_of(joined, threshold, seed)
    return Calibration(joined, precision, confidence, search, lower, threshold, precise, groups, agreement)


def drawing_threshold(labelled: Sequence[Labelled]) -> float:
    """The highest threshold at which samples were drawn; 7 where no label is of a sample."""
    drawn = [each.label.sample.threshold for each in labelled if each.label.sample is not None]
    return max(drawn, default=THRESHOLD)


def _groups(accepted: Sequence[Labelled], *, precision: float, confidence: float) -> list[Group]:
    count, good = Counter[str](), Counter[str]()
    for each in accepted:
        count[each.edit.operation] += each.copies
        good[each.edit.operation] += each.copies * each.is_good
    found = []
    for name, total in count.most_common():
        more = more_needed(total, total - good[name], precision=precision, confidence=confidence)
        found.append(Group(name, total, good[name], more))
    return found


def agreement_of(joined: Joined, threshold: float, seed: int) -> Agreement:
    """How a judge agrees with labels.

    Args:
        joined: labels and verdicts.
        threshold: the number at or above which the judge accepts.
        seed: of the bootstrap.
    """
    labelled = joined.labelled
    strata = [each.label.sample.stratum if each.label.sample else "" for each in labelled]
    weights = np.array([each.weight for each in labelled])
    values = np.array([VALUE[each.label.label] for each in labelled])
    accepts = np.array([each.edit.lowest >= threshold for each in labelled])
    sure = np.array([each.label.label != UNSURE for each in labelled])

    def kappa_of(drawn: Indices) -> float:
        kept = drawn[sure[drawn]]
        return kappa(accepts[kept], values[kept] == 1, weights[kept]) if len(kept) else math.nan

    def recall_of(drawn: Indices) -> float:
        good = weights[drawn] * (values[drawn] == 1)
        return float((good * accepts[drawn]).sum() / good.sum()) if good.sum() else math.nan

    names = dict.fromkeys(name for each in labelled for name in each.edit.axes)
    return Agreement(
        kappa=bootstrap(kappa_of, strata, seed=seed),
        axes={name: _rank_correlation(name, labelled, values, weights, strata, seed) for name in names},
        recall=bootstrap(recall_of, strata, seed=seed),
        good=_good_share(joined),
        oneself=_self_agreement(labelled),
    )


def _rank_correlation(
    name: str,
    labelled: Sequence[Labelled],
    values: np.ndarray,
    weights: np.ndarray,
    strata: Sequence[str],
    seed: int,
) -> Figure:
    has = np.array([name in each.edit.axes for each in labelled])
    numbers = np.array([each.edit.axes.get(name, 0.0) for each in labelled])

    def correlation(drawn: Indices) -> float:
        kept = drawn[has[drawn]]
        return spearman(numbers[kept], values[kept], weights[kept]) if len(kept) else math.nan

    return bootstrap(correlation, strata, seed=seed)


def _good_share(joined: Joined) -> Interval | None:
    """The share of good edits among all; None: the accepted or the rejected part has no label."""
    threshold = drawing_threshold(joined.labelled)
    above = [each for each in joined.labelled if each.edit.lowest >= threshold >= each.drawn_from]
    below = [each for each in joined.labelled if each.edit.lowest < threshold <= each.drawn_below]
    share = joined.share_at(threshold)
    if (share and not above) or (share < 1 and not below):
        return None
    return corrected_share(
        [(part, *_counted(of_part)) for part, of_part in ((share, above), (1 - share, below)) if of_part]
    )


def _counted(labelled: Sequence[Labelled]) -> tuple[int, int]:
    """The number of good edits, and of all edits, that some labels speak for."""
    return sum(each.copies for each in labelled if each.is_good), sum(each.copies for each in labelled)


def _self_agreement(labelled: Sequence[Labelled]) -> Interval | None:
    """How often both showings of an edit got the same label; None: none was shown twice."""
    twice = [each.label.label == each.again.label for each in labelled if each.again is not None]
    return share_of(sum(twice), len(twice)) if twice else None
