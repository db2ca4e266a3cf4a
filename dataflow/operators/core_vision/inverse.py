"""Asks for the inverse of an edit, from the edit back to its source, as a part of an operator's generator."""

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
from dataflow.operators.core_text.picture_questions import languages_of
from dataflow.operators.core_vision.related import INVERSE, PASSED_OVER, Edit, Related, kind_columns, make_related
from dataflow.taxonomy.picture_brief import PictureBrief
from dataflow.taxonomy.taxonomy import Taxonomy

DOUBTFUL, REJECTED_INVERSES = "doubtful", "rejected_inverses"
"""Names of side outputs."""

NOT_ACCEPTED = "its edit is not accepted"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Decides whether a rejected inverse puts the edit itself in doubt.

    Args:
        below: the edit is doubtful if the score of its rejected inverse is below this number, 0 to 10.
        drops: True: the row of a doubtful edit stands in the side output only.

    Raises:
        ConfigError: `below` is not on the scale.
    """

    below: float
    drops: bool

    def __post_init__(self) -> None:
        if not 0 <= self.below <= SCALE:
            raise ConfigError(f"doubt_below is {self.below}: give a score from 0 to {SCALE:g}")

    def rows(self, forward: Row, found: Related | str) -> Sequence[Row | Side]:
        """Return the rows and side outputs of a row and its inverse.

        Args:
            forward: the row.
            found: the inverse of the row, or why there is none.
        """
        if isinstance(found, str):
            passed = Side(PASSED_OVER, {**forward, "reason": found})
            return [passed] if found == NOT_ACCEPTED else [forward, passed]
        if found.verdict.accepted:
            return [forward, found.row]
        rejected = Side(REJECTED_INVERSES, found.row)
        if (found.verdict.score or 0.0) >= self.below:
            return [forward, rejected]
        doubtful = Side(DOUBTFUL, {**forward, "inverse": found.as_column})
        return [rejected, doubtful, *([] if self.drops else [forward])]


def inverse_of(forward: Row, edit: Edit, judge: Judge, taxonomy: Taxonomy, columns: Columns) -> Asking[Related | str]:
    """Ask for the instruction that leads from the edit back to its source, and judge it; or return why there is none.

    Args:
        forward: the row of the edit, with an `id`.
        edit: the pictures and the instruction of the row.
        judge: judges the inverse.
        taxonomy: says which operation leads back, by the row's `sub_type`.
        columns: the inputs are the columns of pictures, messages and edits; the label is that of the verdict.

    Raises:
        AnswerError: a request failed.
    """
    if reason := _why_not(forward, edit, taxonomy, columns.labels[0]):
        return reason
    forth = taxonomy.operations.get(str(forward.get("sub_type", "")))
    kind = kind_columns(taxonomy.operations[forth.inverse] if forth else None)
    brief = PictureBrief("inverse", *languages_of(forward, edit.instruction), (edit.instruction,))
    back = Edit(edit.edits, "", edit.sources)
    found = yield from make_related(INVERSE, forward, back, brief, kind_of(kind, taxonomy), judge, columns)
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
