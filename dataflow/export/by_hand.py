"""Decisions that people made by hand on the page of `dataflowmm view`; they override the verdict of a judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.calibration.labels import ACCEPT, REJECT, VERDICT, read_labels
from dataflow.errors import ConfigError
from dataflow.export.records import Image, Record
from dataflow.judging.verdict import is_accepted


@dataclass(frozen=True, slots=True)
class ByHand:
    """The edits that people accepted and rejected by hand.

    Args:
        accepted: SHA-256 of the accepted edits, 64 hex digits each.
        rejected: SHA-256 of the rejected edits, likewise.
        paths: the paths of the accepted edits, as their rows spell them.
    """

    accepted: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def rejects(self, record: Record) -> bool:
        """Whether people rejected a result of the record, or accepted only the worse edit of a pair."""
        if any(image.sha256 in self.rejected for image in _results(record)):
            return True
        return record.edited.sha256 not in self.accepted and any(
            image.sha256 in self.accepted for image in record.losers
        )

    def accepts(self, record: Record) -> bool | None:
        """Whether the record is accepted, by hand or else by its verdict; None if neither decided.

        A conversation that a judge rejected is accepted if people accepted every turn that the judge did not.
        """
        if self.rejects(record):
            return False
        if all(image.sha256 in self.accepted for image in _results(record)):
            return True
        turns = [turn.edited.sha256 in self.accepted or is_accepted(turn.verdict) for turn in record.turns]
        return True if turns and all(turns) else record.accepted


def _results(record: Record) -> Sequence[Image]:
    return [turn.edited for turn in record.turns] or [record.edited]


def read_by_hand(path: Path | None) -> ByHand:
    """Read the decisions by hand in a `labels.jsonl`; answers to "would you train on this?" are not decisions.

    Args:
        path: of the file; None: nobody decided anything.

    Raises:
        ConfigError: the file does not exist.
        InputError: a line of the file is broken.
    """
    if path is None:
        return ByHand()
    if not path.is_file():
        raise ConfigError(f"{path} is not there: `dataflowmm view` writes it when you accept or reject an edit")
    labels = [label for label in read_labels(path) if label.kind == VERDICT]
    accepted = [label for label in labels if label.label == ACCEPT]
    return ByHand(
        (yes := frozenset(label.picture for label in accepted)),
        frozenset(label.picture for label in labels if label.label == REJECT) - yes,
        frozenset(label.path for label in accepted),
    )
