"""Labels beside what a judge said of the same pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.calibration.edits import Edit, judges_of, path_rules, read_edits
from dataflow.calibration.labels import LABEL, NO, UNSURE, YES, Label
from dataflow.errors import RowError
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
    def is_uniform(self) -> bool:
        """Whether each edit could be drawn as well as any other."""
        return self.label.sample is not None and self.label.sample.stratum == "all"

    @property
    def is_upper(self) -> bool:
        """Whether it was drawn of those that this judge put at or above a threshold."""
        sample = self.label.sample
        if sample is None or sample.stratum != "upper":
            return False
        return (sample.judge or self.edit.judge, sample.rubric or self.edit.rubric) == self.edit.judged_by

    @property
    def weight(self) -> float:
        """For how many edits it stands; one that nobody drew, for itself."""
        return 1 / self.label.sample.probability if self.label.sample is not None else 1.0


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


def join(labels: Sequence[Label], path: Path) -> Joined:
    """Find each labelled picture among the edits of a file, by its name and content.

    Args:
        labels: as they were read; hand verdicts are passed over.
        path: of a step's file, or its `tries`.

    Raises:
        ConfigError: no judged edits.
        InputError: the file is missing or broken.
    """
    said: dict[str, dict[int, Label]] = {}
    for label in labels:
        if label.kind == LABEL:
            said.setdefault(label.picture, {})[label.shown] = label
    names = {_name(label.path) for label in labels}
    everywhere, rules = "" in names, path_rules(path)
    lowest: dict[tuple[str, str], Counter[float]] = {}
    found: dict[tuple[tuple[str, str], str], Edit] = {}
    for edit in read_edits(path):
        lowest.setdefault(edit.judged_by, Counter())[edit.lowest] += 1
        if everywhere or _name(edit.path) in names:
            content = _content(edit.path, rules)
            if content in said:
                found.setdefault((edit.judged_by, content), edit)
    judged_by, left_out = judges_of({each: counts.total() for each, counts in lowest.items()}, path)
    labelled = [
        _labelled(found[judged_by, picture], showings)
        for picture, showings in said.items()
        if (judged_by, picture) in found
    ]
    return Joined(path, *judged_by, lowest[judged_by], labelled, len(said) - len(labelled), left_out)


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
