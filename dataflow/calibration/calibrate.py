"""What labels say of a judge: one threshold with a promise, intervals of everything else."""

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
from dataflow.core.shares import Interval, share_of
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.judging.promise import Promise
from dataflow.judging.verdict import THRESHOLD, VERDICT

PRECISION = CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Group:
    """The labelled edits of one operation that are accepted.

    Args:
        name: of the operation; empty: rows without one.
        accepted: how many.
        good: of these.
        more: accepted ones that must be labelled, all good, until its own promise can be given; 0: it can.
    """

    name: str
    accepted: int
    good: int
    more: int

    @property
    def interval(self) -> Interval | None:
        """The share of good ones; None where none is labelled."""
        return share_of(self.good, self.accepted) if self.accepted else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge agrees with labels, where its decision is a threshold.

    Args:
        kappa: beyond chance; who is unsure says neither.
        axes: of each axis, the correlation of its ranks with the labels.
        recall: of what is good, the share that is accepted.
        good: of all edits, the share that is good: the accepted one, corrected for the judge's errors.
        oneself: of the edits that were shown twice, how often the same was said; None: none was.
    """

    kappa: Figure
    axes: Mapping[str, Figure]
    recall: Figure
    good: Interval | None
    oneself: Interval | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What labels say of a judge.

    Args:
        joined: labels and verdicts.
        precision: that was wanted.
        confidence: of the promise.
        search: the thresholds that were tested.
        carried: the precision that these labels can promise instead, and where; None: they can promise what was wanted,
            or no half.
        at: the threshold of all that follows: the promised one, or else the one at drawing.
        precise: of what is accepted there, the share that is good; None: nothing of it is labelled.
        groups: by operation, those with most labels first.
        agreement: with the labels.
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
        """What `thresholds.json` holds; None: nothing can be promised."""
        found = self.search.found
        if found is None:
            return None
        by = self.joined.judge, self.joined.rubric
        counted = found.accepted, found.bad
        return Promise(*by, found.at, self.precision, self.confidence, *counted, passes_of(self.joined.path))

    def needed(self, accepted: int, bad: int) -> int:
        """Edits that must be labelled beside these, all good, until the promise can be given."""
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
    """Find the threshold at which a judge keeps a promise, and say how far it agrees with the labels.

    Args:
        labels: as `read_labels` returns them.
        path: of the file with the judge's verdicts, as `judged_file` finds it.
        precision: the share of the accepted edits that is to be good.
        confidence: of all samples of labels at most the rest comes to a promise that is broken.
        edited: column of the edits.
        verdict: column of their verdicts.
        seed: of the bootstrap.

    Raises:
        ConfigError: a share that is none; no judged edits; no label of them.
        InputError: the file is missing or broken.
    """
    for name, share in (("precision", precision), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ConfigError(f"{name} is {share}: give a share between 0 and 1, such as 0.9")
    joined = join(labels, path, edited=edited, verdict=verdict)
    if not joined.labelled:
        said = f"none of {count_of(sum(each.kind == LABEL for each in labels), 'label')} is of an edit in {path}"
        raise ConfigError(f"{said}: give the directory whose edits were labelled")
    search = search_threshold(joined, precision=precision, confidence=confidence)
    less = None if search.found else carried(joined, below=precision, confidence=confidence)
    at = search.found.at if search.found else drawing_threshold(joined.labelled)
    accepted = [each for each in joined.labelled if each.edit.lowest >= at]
    drawn = [each for each in accepted if each.drawn_from <= at]
    precise = share_of(*_counted(drawn)) if drawn else None
    groups = _groups(drawn, precision=precision, confidence=confidence)
    agreement = agreement_of(joined, at, seed)
    return Calibration(joined, precision, confidence, search, less, at, precise, groups, agreement)


def drawing_threshold(labelled: Sequence[Labelled]) -> float:
    """The highest threshold at which a sample was drawn."""
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


def agreement_of(joined: Joined, at: float, seed: int) -> Agreement:
    """How a judge agrees with labels where it accepts what reaches a threshold."""
    labelled = joined.labelled
    strata = [each.label.sample.stratum if each.label.sample else "" for each in labelled]
    weights = np.array([each.weight for each in labelled])
    values = np.array([VALUE[each.label.label] for each in labelled])
    accepts = np.array([each.edit.lowest >= at for each in labelled])
    sure = np.array([each.label.label != UNSURE for each in labelled])

    def beyond_chance(drawn: Indices) -> float:
        kept = drawn[sure[drawn]]
        return kappa(accepts[kept], values[kept] == 1, weights[kept]) if len(kept) else math.nan

    def recalled(drawn: Indices) -> float:
        good = weights[drawn] * (values[drawn] == 1)
        return float((good * accepts[drawn]).sum() / good.sum()) if good.sum() else math.nan

    names = dict.fromkeys(name for each in labelled for name in each.edit.axes)
    return Agreement(
        kappa=bootstrap(beyond_chance, strata, seed=seed),
        axes={name: _of_axis(name, labelled, values, weights, strata, seed) for name in names},
        recall=bootstrap(recalled, strata, seed=seed),
        good=_good_share(joined),
        oneself=_oneself(labelled),
    )


def _of_axis(
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
    """Of all edits the share that is good; None where a part of them has no label."""
    at = drawing_threshold(joined.labelled)
    above = [each for each in joined.labelled if each.edit.lowest >= at >= each.drawn_from]
    below = [each for each in joined.labelled if each.edit.lowest < at <= each.drawn_below]
    share = joined.share_at(at)
    if (share and not above) or (share < 1 and not below):
        return None
    return corrected_share([(part, *_counted(said)) for part, said in ((share, above), (1 - share, below)) if said])


def _counted(labelled: Sequence[Labelled]) -> tuple[int, int]:
    """Good edits, and all."""
    return sum(each.copies for each in labelled if each.is_good), sum(each.copies for each in labelled)


def _oneself(labelled: Sequence[Labelled]) -> Interval | None:
    twice = [each.label.label == each.again.label for each in labelled if each.again is not None]
    return share_of(sum(twice), len(twice)) if twice else None
