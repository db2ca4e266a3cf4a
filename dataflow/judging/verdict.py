"""What follows from a judge's numbers: accepted, rejected, or nobody can tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.core.records import JSON, Row, Side
from dataflow.errors import ConfigError
from dataflow.judging.answers import SCALE, Opinion
from dataflow.judging.promise import Numbers, Promise

Thresholds = Numbers | Promise | str | Path
"""The least number that an axis must have: one for all, or by axis, where one that is not named must have THRESHOLD; or
a promise, or the path of a `thresholds.json` that holds one."""

THRESHOLD = 7.0
VERDICT = "verdict"
"""Column of a row's verdict, unless an operator is told another."""
CONDITION = "condition_verdict"
"""The column of the verdict on pictures that were drawn to be edited."""
REJECTED = "rejected"
"""Side output of the rows of which no edit was accepted."""
EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED = "edits accepted", "edits rejected", "edits unjudged"
"""Under these names a summary counts, among the side outputs, what was judged and stays in its row; none is a file."""
UNJUDGED = "unjudged"
"""How the reason of a row begins that failed since nobody could tell whether a picture of it is good."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one edit.

    Args:
        accepted: True or False; None: it was not judged.
        score: 0 to 10, to rank edits by; None without a judge's numbers. No threshold is held against it.
        axes: name → 0 to 10.
        critique: what the judge wrote.
        gate: of the gates without a model, the one at which it fell; empty: none.
        measures: what the gates measured.
        judge: digest of the judge's fingerprint, 16 hex digits.
        rubric: digest of the rubric.
        cost: of judging it, in billionths of the currency; None: not known.
    """

    accepted: bool | None
    score: float | None = None
    axes: Mapping[str, float] = field(default_factory=dict)
    critique: str = ""
    gate: str = ""
    measures: Row = field(default_factory=dict)
    judge: str = ""
    rubric: str = ""
    cost: int | None = 0

    def as_row(self) -> Row:
        """As it stands in a row's column, empty fields left out."""
        found: Row = {"accepted": self.accepted}
        if self.score is not None:
            found |= {"score": round(self.score, 3), "axes": {name: round(at, 3) for name, at in self.axes.items()}}
        for name in ("critique", "gate", "measures", "judge", "rubric"):
            if value := getattr(self, name):
                found[name] = value
        return found


def columns_of(verdicts: Sequence[Verdict]) -> tuple[JSON, JSON]:
    """What the columns of a row hold, verdict and acceptance: of one edit as they are, of several as lists."""
    if len(verdicts) == 1:
        return verdicts[0].as_row(), verdicts[0].accepted
    return [each.as_row() for each in verdicts], [each.accepted for each in verdicts]


def counted(verdicts: Sequence[Verdict]) -> list[Side]:
    """What a summary is to count of the edits of one row."""
    names = {True: EDITS_ACCEPTED, False: EDITS_REJECTED, None: EDITS_UNJUDGED}
    return [Side(names[each.accepted], {}) for each in verdicts]


def is_accepted(verdict: object) -> bool:
    """Whether what a row's column holds is the verdict of an accepted picture, or of several that all are."""
    if isinstance(verdict, list):
        return bool(verdict) and all(map(is_accepted, verdict))
    return isinstance(verdict, Mapping) and verdict.get("accepted") is True


def check_thresholds(thresholds: Numbers, axes: Sequence[str]) -> Mapping[str, float]:
    """The least number of each axis.

    Raises:
        ConfigError: an axis that the rubric has not, or a number off the scale.
    """
    given = dict.fromkeys(axes, float(thresholds)) if isinstance(thresholds, int | float) else dict(thresholds)
    for name, least in given.items():
        if name not in axes:
            raise ConfigError(f"thresholds name {name!r}, which is no axis of the rubric: {', '.join(axes)}")
        if not 0 <= least <= SCALE:
            raise ConfigError(f"the threshold of {name} is {least}: give a number from 0 to {SCALE:g}")
    return {name: given.get(name, THRESHOLD) for name in axes}


def passes(axes: Mapping[str, float], thresholds: Mapping[str, float]) -> bool:
    """Whether every axis reaches its threshold."""
    return all(number >= thresholds[name] for name, number in axes.items())


def score_of(axes: Mapping[str, float], questions: Mapping[str, str]) -> float:
    """The geometric mean of the lowest axis of each question: one bad side is not outweighed by good ones.

    Source: VIEScore's sqrt(min(SC) * min(PQ)), https://arxiv.org/abs/2312.14867.

    Args:
        axes: name → 0 to 10.
        questions: axis → the question in which it was asked.
    """
    lowest: dict[str, float] = {}
    for name, number in axes.items():
        lowest[questions[name]] = min(number, lowest.get(questions[name], SCALE))
    return math.prod(lowest.values()) ** (1 / len(lowest)) if lowest else 0.0


def sum_of(costs: Sequence[int | None]) -> int | None:
    """Of several costs; None where one of them is not known."""
    return None if None in costs else sum(each for each in costs if each is not None)


def mean_opinion(opinions: Sequence[Opinion]) -> Opinion:
    """The mean of several passes, with the words of the first."""
    axes = {name: sum(each.axes[name] for each in opinions) / len(opinions) for name in opinions[0].axes}
    return Opinion(axes, opinions[0].words)
