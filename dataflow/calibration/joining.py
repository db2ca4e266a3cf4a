"""Labels beside what a judge said of the same pictures."""

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
    """One edit with what was said of it when it was first shown.

    Args:
        edit: with the judge's numbers.
        label: of the first showing.
        again: of the second; None: there was none.
    """

    edit: Edit
    label: Label
    again: Label | None = None

    @property
    def is_good(self) -> bool:
        """Whether somebody would train on it; who is unsure would not."""
        return self.label.label == YES

    @property
    def copies(self) -> int:
        """Drawn edits that it speaks of: more than one where several are the same picture."""
        return max((each.copies for each in self.label.samples), default=1)

    @property
    def drawn_from(self) -> float:
        """The least threshold such that it was drawn at random of all edits that reach it; infinite: there is none."""
        uniform = [0.0 for each in self.label.samples if each.stratum == "all"]
        return min([*uniform, *self._thresholds("upper")], default=math.inf)

    @property
    def drawn_below(self) -> float:
        """The highest threshold such that it was drawn at random of all edits below; 0: there is none."""
        uniform = [math.inf for each in self.label.samples if each.stratum == "all"]
        return max([*uniform, *self._thresholds("lower")], default=0.0)

    def _thresholds(self, stratum: Stratum) -> list[float]:
        """Of the samples that were drawn by this judge's numbers."""
        own = self.edit.judged_by
        return [
            each.threshold
            for each in self.label.samples
            if each.stratum == stratum and (each.judge or own[0], each.rubric or own[1]) == own
        ]

    @property
    def weight(self) -> float:
        """For how many edits it stands, with its copies; one that nobody drew, for itself."""
        return self.copies / max((each.probability for each in self.label.samples), default=1.0)


@dataclass(frozen=True, slots=True)
class Joined:
    """What people and one judge said.

    Args:
        path: of the file with the verdicts.
        judge: digest of the judge.
        rubric: digest of its rubric.
        lowest: all its edits, by their lowest axis.
        labelled: those with a label.
        unknown: labels of pictures that are not among them.
        left_out: what to tell of other edits; empty: nothing.
    """

    path: Path
    judge: str
    rubric: str
    lowest: Counter[float]
    labelled: Sequence[Labelled]
    unknown: int = 0
    left_out: str = ""

    def share_at(self, threshold: float) -> float:
        """Of all edits, those whose lowest axis reaches a threshold."""
        return sum(count for at, count in self.lowest.items() if at >= threshold) / self.lowest.total()


def join(labels: Sequence[Label], path: Path, *, edited: str = EDITED, verdict: str = VERDICT) -> Joined:
    """Find each labelled picture among the edits of a file, by its name and content.

    Args:
        labels: as they were read; hand verdicts are passed over.
        path: of a step's file, or its `tries`.
        edited: column of the edits.
        verdict: column of their verdicts.

    Raises:
        ConfigError: no judged edits.
        InputError: the file is missing or broken.
    """
    said: dict[str, dict[int, Label]] = {}
    names: dict[str, str] = {}
    for label in _as_largest([each for each in labels if each.kind == LABEL]):
        said.setdefault(label.picture, {})[label.shown] = label
        names[_name(label.path)] = label.picture
    everywhere, rules = "" in names, path_rules(path)
    lowest: dict[tuple[str, str], Counter[float]] = {}
    found: dict[tuple[tuple[str, str], str], Edit] = {}
    for edit in read_edits(path, edited=edited, verdict=verdict):
        lowest.setdefault(edit.judged_by, Counter())[edit.lowest] += 1
        if everywhere or _name(edit.path) in names:
            content = _content(edit.path, rules)
            if content in said and ((edit.judged_by, content) not in found or names.get(_name(edit.path)) == content):
                found[edit.judged_by, content] = edit  # of several with one content, the one that was shown
    judged_by, left_out = judges_of({each: counts.total() for each, counts in lowest.items()}, path)
    labelled = [
        _labelled(found[judged_by, picture], showings)
        for picture, showings in said.items()
        if (judged_by, picture) in found
    ]
    return Joined(path, *judged_by, lowest[judged_by], labelled, len(said) - len(labelled), left_out)


def _as_largest(labels: Sequence[Label]) -> list[Label]:
    """The labels with their samples as the largest of each drawing has them, which holds the smaller ones."""
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
    try:
        return sha256_of_file(rules.resolve(path))
    except (RowError, OSError):
        return ""
