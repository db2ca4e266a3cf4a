"""Which of two judges deserves the money, on one's own labels."""

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
    """One judge on the labels that both have.

    Args:
        joined: its verdicts, with all labels of them.
        agrees: how often it decides as the label says.
        kappa: the same beyond chance.
        ranks: correlation of its lowest axis with the labels, whatever the threshold.
        search: what it can promise.
        cost: of one verdict, in the currency; None: not known.
        currency: of the cost.
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
    """Two judges, and how far the second is ahead.

    Args:
        judges: the two.
        labels: of pictures that both have judged.
        at: the threshold at which they decide.
        agrees: the second's agreement less the first's, on the same labels.
        ranks: the same of the correlation of ranks.
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
    """Hold two judges against the same labels.

    Args:
        labels: as `read_labels` returns them.
        paths: of the files with their verdicts.
        precision: that each is to promise.
        confidence: of the promise.
        edited: column of the edits, in both.
        verdict: column of their verdicts, in both.
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
    at = drawing_threshold([each for each, _ in pairs])
    first, second = ([pair[number] for pair in pairs] for number in (0, 1))
    strata = [each.label.sample.stratum if each.label.sample else "" for each in first]
    measures = [_Measures(each, at) for each in (first, second)]
    judged = []
    for joined, each in zip(both, measures, strict=True):
        search = search_threshold(joined, precision=precision, confidence=confidence)
        agrees, beyond, ranks = (bootstrap(of, strata, seed=seed) for of in (each.agrees, each.kappa, each.ranks))
        judged.append(Judged(joined, agrees, beyond, ranks, search, *cost_of_verdict(joined)))
    one, other = measures
    return Comparison(
        (judged[0], judged[1]),
        len(pairs),
        at,
        bootstrap(lambda drawn: other.agrees(drawn) - one.agrees(drawn), strata, seed=seed),
        bootstrap(lambda drawn: other.ranks(drawn) - one.ranks(drawn), strata, seed=seed),
    )


class _Measures:
    """A judge's figures on any of the labels; who is unsure says nothing of a decision."""

    def __init__(self, labelled: Sequence[Labelled], at: float) -> None:
        self._values = np.array([VALUE[each.label.label] for each in labelled])
        self._weights = np.array([each.weight for each in labelled])
        self._lowest = np.array([each.edit.lowest for each in labelled])
        self._sure = np.array([each.label.label != UNSURE for each in labelled])
        self._at = at

    def agrees(self, drawn: Indices) -> float:
        kept = drawn[self._sure[drawn]]
        same = (self._lowest[kept] >= self._at) == (self._values[kept] == 1)
        return float(self._weights[kept] @ same / self._weights[kept].sum()) if len(kept) else math.nan

    def kappa(self, drawn: Indices) -> float:
        kept = drawn[self._sure[drawn]]
        decided, said = (self._lowest[kept] >= self._at), (self._values[kept] == 1)
        return kappa(decided, said, self._weights[kept]) if len(kept) else math.nan

    def ranks(self, drawn: Indices) -> float:
        return spearman(self._lowest[drawn], self._values[drawn], self._weights[drawn])


def cost_of_verdict(joined: Joined) -> tuple[float | None, str]:
    """What a step paid its judge for each edit with numbers, canaries included, and the currency."""
    figures = figures_of_meta(step_meta(joined.path))
    costs, counts = costs_of_all_runs(figures), figures.get("sides") or {}
    known, whole = sum(costs.values()), of_all_runs(figures, "cost")
    currency = str(figures.get("currency") or "")
    if EDITS_ACCEPTED in counts or EDITS_REJECTED in counts:  # it judged and did nothing else
        paid = whole
    elif not known or whole - known > 1e-6:  # an older version did not say what editing cost
        return None, ""
    else:
        paid = costs.get(JUDGE, 0.0)
    return (paid / joined.lowest.total(), currency) if currency else (None, "")
