"""Compares two judges, their agreement with labels and their cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataflow.calibration.calibrate import CONFIDENCE, PRECISION, drawing_threshold
from dataflow.calibration.edits import EDITED, step_meta
from dataflow.calibration.joining import VALUE, Joined, Labelled, join
from dataflow.calibration.labels import UNSURE, Label
from dataflow.calibration.statistics import Figure, Indices, bootstrap, kappa, spearman
from dataflow.calibration.thresholds import Search, search_threshold
from dataflow.core.worker import JUDGE
from dataflow.errors import ConfigError
from dataflow.judging.verdict import EDITS_ACCEPTED, EDITS_REJECTED, VERDICT
from dataflow.utils.figures import costs_of_all_runs, figures_of_meta, of_all_runs


@dataclass(frozen=True, slots=True)
class Judged:
    """One judge, measured on the labels of edits that both judges have judged.

    Args:
        joined: the judge's verdicts, with all labels of them.
        agrees: the share of labels with which the judge's decision agrees.
        kappa: Cohen's kappa of decisions and labels.
        ranks: rank correlation of the lowest axis with the labels, which no threshold changes.
        search: the thresholds that were tested for a promise.
        cost: of one verdict, in `currency`; None: not known.
        currency: of the cost; "": not known.
    """

    joined: Joined
    agrees: Figure
    kappa: Figure
    ranks: Figure
    search: Search
    cost: float | None
    currency: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two judges, and the differences between them.

    Args:
        judges: the two judges.
        labels: number of labels of pictures that both have judged.
        at: the threshold at or above which both accept.
        agrees: agreement of the second judge less that of the first, on the same labels.
        ranks: rank correlation of the second judge less that of the first.
    """

    judges: tuple[Judged, Judged]
    labels: int
    at: float
    agrees: Figure
    ranks: Figure


def compare_judges(
    labels: Sequence[Label],
    paths: tuple[Path, Path],
    *,
    precision: float = PRECISION,
    confidence: float = CONFIDENCE,
    edited: str = EDITED,
    verdict: str = VERDICT,
    seed: int = 0,
) -> Comparison:
    """Compare two judges on the same labels.

    Args:
        labels: from `read_labels`.
        paths: the files with the judges' verdicts.
        precision: the share of good edits that each judge is to promise, between 0 and 1.
        confidence: of the promise, between 0 and 1.
        edited: column of the edits, in both.
        verdict: column of the verdicts, in both.
        seed: of the bootstrap.

    Raises:
        ConfigError: no labelled picture was judged by both.
        InputError: a file is missing or broken.
    """
    both = [join(labels, path, edited=edited, verdict=verdict) for path in paths]
    of_picture = [{each.label.picture: each for each in joined.labelled} for joined in both]
    pairs = [(each, of_picture[1][picture]) for picture, each in of_picture[0].items() if picture in of_picture[1]]
    if not pairs:
        raise ConfigError(
            f"no labelled picture was judged in both {paths[0]} and {paths[1]}: judge the same rows twice"
        )
    threshold = drawing_threshold([each for each, _ in pairs])
    first, second = ([pair[number] for pair in pairs] for number in (0, 1))
    strata = [each.label.sample.stratum if each.label.sample else "" for each in first]
    measures = [_Measures(each, threshold) for each in (first, second)]
    judged = []
    for joined, each in zip(both, measures, strict=True):
        search = search_threshold(joined, precision=precision, confidence=confidence)
        agrees, beyond, ranks = (bootstrap(of, strata, seed=seed) for of in (each.agrees, each.kappa, each.ranks))
        judged.append(Judged(joined, agrees, beyond, ranks, search, *cost_of_verdict(joined)))
    of_first, of_second = measures
    return Comparison(
        (judged[0], judged[1]),
        len(pairs),
        threshold,
        bootstrap(lambda drawn: of_second.agrees(drawn) - of_first.agrees(drawn), strata, seed=seed),
        bootstrap(lambda drawn: of_second.ranks(drawn) - of_first.ranks(drawn), strata, seed=seed),
    )


class _Measures:
    """The figures of one judge on any choice of labels; labels "unsure" count for ranks alone.

    Args:
        labelled: edits with labels.
        threshold: the number at or above which the judge accepts.
    """

    def __init__(self, labelled: Sequence[Labelled], threshold: float) -> None:
        self._values = np.array([VALUE[each.label.label] for each in labelled])
        self._weights = np.array([each.weight for each in labelled])
        self._lowest = np.array([each.edit.lowest for each in labelled])
        self._sure = np.array([each.label.label != UNSURE for each in labelled])
        self._threshold = threshold

    def agrees(self, drawn: Indices) -> float:
        kept = drawn[self._sure[drawn]]
        same = (self._lowest[kept] >= self._threshold) == (self._values[kept] == 1)
        return float(self._weights[kept] @ same / self._weights[kept].sum()) if len(kept) else math.nan

    def kappa(self, drawn: Indices) -> float:
        kept = drawn[self._sure[drawn]]
        accepts, is_good = (self._lowest[kept] >= self._threshold), (self._values[kept] == 1)
        return kappa(accepts, is_good, self._weights[kept]) if len(kept) else math.nan

    def ranks(self, drawn: Indices) -> float:
        return spearman(self._lowest[drawn], self._values[drawn], self._weights[drawn])


def cost_of_verdict(joined: Joined) -> tuple[float | None, str]:
    """The cost of one verdict, canaries included, and the currency; None and "": the cost is not known."""
    figures = figures_of_meta(step_meta(joined.path))
    costs, counts = costs_of_all_runs(figures), figures.get("sides") or {}
    known, whole = sum(costs.values()), of_all_runs(figures, "cost")
    currency = str(figures.get("currency") or "")
    if EDITS_ACCEPTED in counts or EDITS_REJECTED in counts:  # the step judged and did nothing else
        paid = whole
    elif not known or whole - known > 1e-6:  # an older version wrote no costs of each worker
        return None, ""
    else:
        paid = costs.get(JUDGE, 0.0)
    return (paid / joined.lowest.total(), currency) if currency else (None, "")
