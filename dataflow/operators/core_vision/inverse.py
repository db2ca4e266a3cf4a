"""An edit made undone, as a part of an operator's generator: what leads from the edit back to its source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataflow.core.records import Row, Side
from dataflow.errors import ConfigError
from dataflow.judging.answers import SCALE
from dataflow.judging.judge import Judge
from dataflow.judging.rubric import kind_of
from dataflow.judging.together import Asking
from dataflow.judging.verdict import is_accepted
from dataflow.operators.base import Columns
from dataflow.operators.core_text.seeing import languages_of
from dataflow.operators.core_vision.related import INVERSE, PASSED_OVER, Edit, Related, grown, kind_columns
from dataflow.taxonomy.seen import SeenBrief
from dataflow.taxonomy.taxonomy import Taxonomy

DOUBTFUL, REJECTED_INVERSES = "doubtful", "rejected_inverses"
"""Side outputs."""

NOT_ACCEPTED = "its edit is not accepted"


@dataclass(frozen=True, slots=True)
class Doubt:
    """When an inverse speaks against the edit itself.

    Args:
        below: it scores less, 0 to 10.
        drops: the row of such an edit does not come out.

    Raises:
        ConfigError: a score off the scale.
    """

    below: float
    drops: bool

    def __post_init__(self) -> None:
        if not 0 <= self.below <= SCALE:
            raise ConfigError(f"doubt_below is {self.below}: give a score from 0 to {SCALE:g}")

    def rows(self, forward: Row, found: Related | str) -> Sequence[Row | Side]:
        """What an operator returns for a row.

        Args:
            forward: the row.
            found: its inverse, or why there is none.
        """
        if isinstance(found, str):
            passed = Side(PASSED_OVER, {**forward, "reason": found})
            return [passed] if found == NOT_ACCEPTED else [forward, passed]
        if found.verdict.accepted:
            return [forward, found.row]
        rejected = Side(REJECTED_INVERSES, found.row)
        if (found.verdict.score or 0.0) >= self.below:
            return [forward, rejected]
        doubtful = Side(DOUBTFUL, {**forward, "inverse": found.told})
        return [rejected, doubtful, *([] if self.drops else [forward])]


def inverse_of(forward: Row, edit: Edit, judge: Judge, taxonomy: Taxonomy, columns: Columns) -> Asking[Related | str]:
    """Ask for the instruction that leads back, and judge it; or why there is none.

    Args:
        forward: the row, with an `id`.
        edit: its pictures.
        judge: decides.
        taxonomy: says by the row's `sub_type` what leads back.
        columns: their inputs are those of pictures, instruction and edits; their label is that of the verdict.

    Raises:
        AnswerError: a worker did not answer.
    """
    if reason := _why_not(forward, edit, taxonomy, columns.labels[0]):
        return reason
    forth = taxonomy.operations.get(str(forward.get("sub_type", "")))
    kind = kind_columns(taxonomy.operations[forth.inverse] if forth else None)
    brief = SeenBrief("inverse", *languages_of(forward, edit.instruction), (edit.instruction,))
    back = Edit(edit.edits, "", edit.sources)
    found = yield from grown(INVERSE, forward, back, brief, kind_of(kind, taxonomy), judge, columns)
    return found if isinstance(found, str) else replace(found, row={**found.row, **kind})


def _why_not(forward: Row, edit: Edit, taxonomy: Taxonomy, verdict: str) -> str:
    if forward.get(verdict) and not is_accepted(forward[verdict]):
        return NOT_ACCEPTED
    if forward["relation"] == INVERSE:
        return "it is an inverse itself"
    operation = taxonomy.operations.get(str(forward.get("sub_type", "")))
    if operation is not None and operation.inverse not in taxonomy.operations:
        return f"{operation.name} is not invertible"
    if len(edit.sources) != 1 or len(edit.edits) != 1:
        return f"it has {len(edit.sources)} pictures and {len(edit.edits)} edits: an inverse leads from one to one"
    return ""
