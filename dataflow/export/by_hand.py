"""What people decided by hand goes before what a judge said."""

from dataclasses import dataclass
from pathlib import Path

from dataflow.calibration.labels import ACCEPT, REJECT, VERDICT, read_labels
from dataflow.errors import ConfigError


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

    def decides(self, sha256: str, said: bool | None) -> bool | None:
        """Whether an edit is accepted, of which the judge said this; None: nobody said."""
        if sha256 in self.accepted or sha256 in self.rejected:
            return sha256 in self.accepted
        return said


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
        frozenset(label.picture for label in accepted),
        frozenset(label.picture for label in said if label.label == REJECT),
        frozenset(label.path for label in accepted),
    )
