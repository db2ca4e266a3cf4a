"""What people decided by hand goes before what a judge said."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.calibration.labels import ACCEPT, REJECT, VERDICT, read_labels
from dataflow.errors import ConfigError
from dataflow.export.records import Image, Record
from dataflow.judging.verdict import is_accepted


@dataclass(frozen=True, slots=True)
class ByHand:
    """Verdicts by hand.

    Args:
        accepted, rejected: SHA-256 of edits, 64 hex digits.
        paths: of those that were accepted, as their rows have them.
    """

    accepted: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def rejects(self, record: Record) -> bool:
        """Whether one of a record's results was rejected, or of a pair the worse edit alone accepted."""
        if any(each.sha256 in self.rejected for each in _results(record)):
            return True
        return record.edited.sha256 not in self.accepted and any(each.sha256 in self.accepted for each in record.losers)

    def says(self, record: Record) -> bool | None:
        """Whether a record is accepted; None: nobody said.

        A conversation that a judge rejected is accepted if all turns that the judge did not accept were by hand.
        """
        if self.rejects(record):
            return False
        if all(each.sha256 in self.accepted for each in _results(record)):
            return True
        said = [each.edited.sha256 in self.accepted or is_accepted(each.verdict) for each in record.turns]
        return True if said and all(said) else record.accepted


def _results(record: Record) -> Sequence[Image]:
    return [each.edited for each in record.turns] or [record.edited]


def read_by_hand(path: Path | None) -> ByHand:
    """The verdicts by hand in a `labels.jsonl`; answers to "would you train on this?" are none.

    Raises:
        ConfigError: there is no such file.
        InputError: it is broken.
    """
    if path is None:
        return ByHand()
    if not path.is_file():
        raise ConfigError(f"{path} is not there: `dataflowmm view` writes it when you accept or reject an edit")
    said = [label for label in read_labels(path) if label.kind == VERDICT]
    accepted = [label for label in said if label.label == ACCEPT]
    return ByHand(
        (yes := frozenset(label.picture for label in accepted)),
        frozenset(label.picture for label in said if label.label == REJECT) - yes,
        frozenset(label.path for label in accepted),
    )
