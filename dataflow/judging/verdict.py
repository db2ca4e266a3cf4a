"""Verdicts: how a judge's numbers decide whether an edit is accepted, rejected or unjudged."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.core.records import JSON, Row, Side
from dataflow.errors import ConfigError
from dataflow.judging.answers import SCALE, Opinion
from dataflow.judging.promise import Numbers, Promise

Thresholds = Numbers | Promise | str | Path
"""The least number that each axis needs: one number for all axes; a mapping by axis, where an axis that is not named
needs THRESHOLD; a promise; or the path of a `thresholds.json`."""

THRESHOLD = 7.0
VERDICT = "verdict"
"""The column of verdicts, unless the user names another column."""
CONDITION = "condition_verdict"
"""The column of verdicts on drawings."""
REJECTED = "rejected"
"""Side output of the rows without an accepted edit."""
EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED = "edits accepted", "edits rejected", "edits unjudged"
"""Names under which a summary counts judged edits, among the side outputs; no file has these names."""
UNJUDGED = "unjudged"
"""First word of the reason of a row that failed because no picture was accepted and one could not be judged."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one edit.

    Args:
        accepted: True or False; None: the edit is unjudged.
        score: a number from 0 to 10, by which edits are ranked; thresholds do not use it. None: there are no numbers.
        axes: name of an axis → its number, 0 to 10.
        critique: the judge's reasons, or why there is no verdict.
        gate: name of the gate that the edit did not pass; "": the edit passed all.
        measures: the figures of the gates, by name.
        judge: digest of the judge's fingerprint, 16 hex digits.
        rubric: digest of the rubric.
        cost: cost of the verdict, in billionths of the currency; None: not known.
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
        """Return what the column of the verdict holds; empty fields are left out, numbers have three digits."""
        found: Row = {"accepted": self.accepted}
        if self.score is not None:
            axes = {name: round(number, 3) for name, number in self.axes.items()}
            found |= {"score": round(self.score, 3), "axes": axes}
        for name in ("critique", "gate", "measures", "judge", "rubric"):
            if value := getattr(self, name):
                found[name] = value
        return found


def columns_of(verdicts: Sequence[Verdict]) -> tuple[JSON, JSON]:
    """Return the values of the columns of verdict and acceptance; both are lists if there are several edits."""
    if len(verdicts) == 1:
        return verdicts[0].as_row(), verdicts[0].accepted
    return [each.as_row() for each in verdicts], [each.accepted for each in verdicts]


def count_sides(verdicts: Sequence[Verdict]) -> list[Side]:
    """Return the verdicts of one row as counts for the summary."""
    names = {True: EDITS_ACCEPTED, False: EDITS_REJECTED, None: EDITS_UNJUDGED}
    return [Side(names[each.accepted], {}) for each in verdicts]


def is_accepted(verdict: object) -> bool:
    """Whether the value of a verdict column says that the picture, or every picture of the row, was accepted."""
    if isinstance(verdict, list):
        return bool(verdict) and all(map(is_accepted, verdict))
    return isinstance(verdict, Mapping) and verdict.get("accepted") is True


def check_thresholds(thresholds: Numbers, axes: Sequence[str]) -> Mapping[str, float]:
    """Return axis → the least number that it needs.

    Args:
        thresholds: one number for all axes, or a mapping by axis.
        axes: names of all axes of the rubric.

    Raises:
        ConfigError: an axis is not in the rubric, or a number is not on the scale.
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
    """Return the geometric mean of the lowest number of each question, 0 to 10; 0 without axes.

    The lowest number counts, so that good axes do not outweigh a bad one. Source: VIEScore's sqrt(min(SC) * min(PQ)),
    https://arxiv.org/abs/2312.14867.

    Args:
        axes: name of an axis → its number, 0 to 10.
        questions: name of an axis → name of its question.
    """
    lowest: dict[str, float] = {}
    for name, number in axes.items():
        lowest[questions[name]] = min(number, lowest.get(questions[name], SCALE))
    return math.prod(lowest.values()) ** (1 / len(lowest)) if lowest else 0.0


def sum_of(costs: Sequence[int | None]) -> int | None:
    """Return the sum of costs; None if one of them is not known."""
    return None if None in costs else sum(each for each in costs if each is not None)


def mean_opinion(opinions: Sequence[Opinion]) -> Opinion:
    """Return the mean of the numbers of several passes, with the words of the first pass."""
    axes = {name: sum(each.axes[name] for each in opinions) / len(opinions) for name in opinions[0].axes}
    return Opinion(axes, opinions[0].words)
