"""Asks for one instruction that says all edits of a session, as a part of an operator's generator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.judging.judge import Judge
from dataflow.judging.rubric import Kind
from dataflow.judging.together import Asking
from dataflow.operators.base import Columns
from dataflow.operators.core_text.picture_questions import languages_of
from dataflow.operators.core_vision.related import COMPOSITION, Edit, Related, kind_columns, make_related
from dataflow.taxonomy.picture_brief import PictureBrief
from dataflow.taxonomy.taxonomy import KEEPS, Taxonomy

SEVERAL = "several_edits"
"""The operation of the shipped taxonomy for instructions that say several edits at once."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """An accepted turn of a session.

    Args:
        instruction: the instruction of the turn, understandable without the turns before it.
        version: number of the picture that the turn edited; the first picture of the session is 1, and the edit of the
            n-th turn is n + 1.
        operation: name of the operation in the taxonomy.
    """

    instruction: str
    version: int
    operation: str


def compose(row: Row, judge: Judge, taxonomy: Taxonomy, columns: Columns) -> Asking[Related | str]:
    """Ask for the instruction that joins the turns of a session, and judge it; or return why there is none.

    Args:
        row: the row of the session.
        judge: judges the joint instruction by the first and the last picture.
        taxonomy: says what the edits keep.
        columns: the inputs are the columns of pictures, messages, edits and turns; the label is that of the verdict.

    Raises:
        AnswerError: a request failed.
        RowError: a column holds something else.
    """
    images, _, edited, turns = columns.inputs
    past, made = _read_turns(row[turns], turns), picture_paths(row[edited], edited)
    if len(made) != len(past):
        raise RowError(f"`{edited}` holds {len(made)} pictures, and `{turns}` {len(past)} turns")
    chain = turns_before(past, 1 + len(past))
    if len(chain) == 1:
        return "it went back to its beginning before the last turn, which is one edit"
    language, languages = languages_of(row, chain[-1].instruction)
    brief = PictureBrief("joint", language, languages, tuple(each.instruction for each in chain))
    edit = Edit(picture_paths(row[images], images)[:1], "", made[-1:])
    kind = Kind(keeps=kept_by(chain, taxonomy))
    found = yield from make_related(COMPOSITION, row, edit, brief, kind, judge, columns)
    if isinstance(found, str):
        return found
    return replace(found, row={**found.row, **kind_columns(taxonomy.operations.get(SEVERAL))})


def turns_before(turns: Sequence[PastTurn], version: int) -> list[PastTurn]:
    """Return the turns that led to a picture, in order: turns that the session took back are left out.

    Args:
        turns: all turns of the session so far.
        version: number of the picture, as `PastTurn.version` counts; no turn leads to picture 1.
    """
    chain: list[PastTurn] = []
    while version > 1:
        chain.insert(0, turns[version - 2])
        version = turns[version - 2].version
    return chain


def kept_by(turns: Sequence[PastTurn], taxonomy: Taxonomy) -> str:
    """Return what several edits keep together, one of KEEPS: that of the edit which keeps the least.

    The result is "shape" if the taxonomy knows none of the operations.
    """
    known = [taxonomy.operations[each.operation].keeps for each in turns if each.operation in taxonomy.operations]
    return max(known, key=KEEPS.index, default="shape")


def _read_turns(value: object, column: str) -> list[PastTurn]:
    try:
        assert isinstance(value, list)
        turns = [PastTurn(str(each["instruction"]), int(each["version"]), str(each["sub_type"])) for each in value]
        assert turns
        # A turn edits a picture that was there before: the first one, or the edit of an earlier turn.
        assert all(1 <= each.version <= number for number, each in enumerate(turns, start=1))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise RowError(f"`{column}` holds {value!r:.80}: expected the turns of an ImageEditSession") from None
    return turns
