"""Joins labels with a judge's verdicts on the same pictures."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.calibration.edits import EDITED, Edit, judges_of, path_rules, read_edits
from dataflow.calibration.labels import LABEL, NO, UNSURE, YES, Label, Sample, Stratum
from dataflow.errors import RowError
from dataflow.judging.verdict import VERDICT
from dataflow.utils.files import PathRules, sha256_of_file

VALUE: Mapping[str, float] = {NO: 0.0, UNSURE: 0.5, YES: 1.0}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One edit with its label.

    Args:
        edit: with the judge's numbers.
        label: of the first showing.
        again: label of the second showing; None: there was none.
    """

    edit: Edit
    label: Label
    again: Label | None = None

    @property
    def is_good(self) -> bool:
        """Whether the label is "yes"; "unsure" counts as bad, since nobody would train on such an edit."""
        return self.label.label == YES

    @property
    def copies(self) -> int:
        """How many drawn edits the label speaks for: several, where edits have the same content."""
        return max((each.copies for each in self.label.samples), default=1)

    @property
    def drawn_from(self) -> float:
        """The lowest threshold such that the edit was drawn at random from all edits at or above; infinite: none."""
        uniform = [0.0 for each in self.label.samples if each.stratum == "all"]
        return min([*uniform, *self._thresholds("upper")], default=math.inf)

    @property
    def drawn_below(self) -> float:
        """The highest threshold such that the edit was drawn at random from all edits below; 0: there is none."""
        uniform = [math.inf for each in self.label.samples if each.stratum == "all"]
        return max([*uniform, *self._thresholds("lower")], default=0.0)

    def _thresholds(self, stratum: Stratum) -> list[float]:
        """The thresholds of the samples of a stratum that were drawn by this judge's numbers."""
        own = self.edit.judged_by
        return [
            each.threshold
            for each in self.label.samples
            if each.stratum == stratum and (each.judge or own[0], each.rubric or own[1]) == own
        ]

    @property
    def weight(self) -> float:
        """How many edits the label stands for: copies / probability of being drawn; 1 for an edit that nobody drew."""
        return self.copies / max((each.probability for each in self.label.samples), default=1.0)


@dataclass(frozen=True, slots=True)
class Joined:
    """The verdicts of one judge, with the labels of the same edits.

    Args:
        path: the file with the verdicts.
        judge: digest of the judge.
        rubric: digest of the judge's rubric.
        lowest: lowest axis → number of edits, over all edits of the judge.
        labelled: the edits with a label.
        unknown: number of labels whose pictures are not in the file.
        left_out: a sentence on edits of other judges; "": there are none.
    """

    path: Path
    judge: str
    rubric: str
    lowest: Counter[float]
    labelled: Sequence[Labelled]
    unknown: int = 0
    left_out: str = ""

    def share_at(self, threshold: float) -> float:
        """The share of edits whose lowest axis reaches a threshold."""
        return sum(count for lowest, count in self.lowest.items() if lowest >= threshold) / self.lowest.total()


def join(labels: Sequence[Label], path: Path, *, edited: str = EDITED, verdict: str = VERDICT) -> Joined:
    """Find each labelled picture among the edits of a file, by name and content.

    Args:
        labels: from `read_labels`; verdicts by hand are passed over.
        path: a step file, or its `tries`.
        edited: column of the edits.
        verdict: column of the verdicts.

    Raises:
        ConfigError: there are no judged edits.
        InputError: the file is missing or broken.
    """
    said: dict[str, dict[int, Label]] = {}
    names: dict[str, str] = {}
    for label in _with_largest_samples([each for each in labels if each.kind == LABEL]):
        said.setdefault(label.picture, {})[label.shown] = label
        names[_name(label.path)] = label.picture
    has_nameless, rules = "" in names, path_rules(path)
    lowest: dict[tuple[str, str], Counter[float]] = {}
    found: dict[tuple[tuple[str, str], str], Edit] = {}
    for edit in read_edits(path, edited=edited, verdict=verdict):
        lowest.setdefault(edit.judged_by, Counter())[edit.lowest] += 1
        if has_nameless or _name(edit.path) in names:
            content = _content(edit.path, rules)
            if content in said and ((edit.judged_by, content) not in found or names.get(_name(edit.path)) == content):
                found[edit.judged_by, content] = edit  # of several edits with one content, the edit that was shown
    judged_by, left_out = judges_of({each: counts.total() for each, counts in lowest.items()}, path)
    labelled = [
        _labelled(found[judged_by, picture], showings)
        for picture, showings in said.items()
        if (judged_by, picture) in found
    ]
    return Joined(path, *judged_by, lowest[judged_by], labelled, len(said) - len(labelled), left_out)


def _with_largest_samples(labels: Sequence[Label]) -> list[Label]:
    """Give each label the probability of the largest sample of its drawing.

    A larger sample of the same drawing holds the smaller one, so its labels are drawn with the larger probability.
    """
    most: dict[tuple[object, ...], float] = {}
    for each in (sample for label in labels for sample in label.samples):
        most[each.drawing] = max(each.probability, most.get(each.drawing, 0.0))

    def grown(sample: Sample) -> Sample:
        return replace(sample, probability=most[sample.drawing])

    return [
        replace(each, sample=each.sample and grown(each.sample), also=tuple(map(grown, each.also))) for each in labels
    ]


def _labelled(edit: Edit, showings: Mapping[int, Label]) -> Labelled:
    first, *more = (showings[shown] for shown in sorted(showings))
    return Labelled(edit, first, more[0] if more else None)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _content(path: str, rules: PathRules) -> str:
    """The SHA-256 of a picture; "": the picture is gone."""
    try:
        return sha256_of_file(rules.resolve(path))
    except (RowError, OSError):
        return ""
