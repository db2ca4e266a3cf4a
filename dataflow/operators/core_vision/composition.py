"""A session said in one instruction, as a part of an operator's generator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.judging.judge import Judge
from dataflow.judging.rubric import Kind
from dataflow.judging.together import Asking
from dataflow.operators.base import Columns
from dataflow.operators.core_text.seeing import languages_of
from dataflow.operators.core_vision.related import COMPOSITION, Edit, Related, grown, kind_columns
from dataflow.taxonomy.seen import SeenBrief
from dataflow.taxonomy.taxonomy import KEEPS, Taxonomy

SEVERAL = "several_edits"
"""The operation of the shipped taxonomy that says several edits at once."""


@dataclass(frozen=True, slots=True)
class Past:
    """A turn of a session, as its row tells.

    Args:
        instruction: whole in itself.
        version: which picture it edited, from 1, the one at the beginning.
        operation: its name in the taxonomy.
    """

    instruction: str
    version: int
    operation: str


def composed(row: Row, judge: Judge, taxonomy: Taxonomy, columns: Columns) -> Asking[Related | str]:
    """The composition of a session, or why there is none.

    Args:
        row: of the session.
        judge: decides.
        taxonomy: says what the edits keep.
        columns: their inputs are those of pictures, messages, edits and turns; their label is that of the verdict.

    Raises:
        AnswerError: a worker did not answer.
        RowError: a column holds something else.
    """
    images, _, edited, turns = columns.inputs
    past, made = _past(row[turns], turns), picture_paths(row[edited], edited)
    if len(made) != len(past):
        raise RowError(f"`{edited}` holds {len(made)} pictures, and `{turns}` {len(past)} turns")
    led = led_by(past, 1 + len(past))
    if len(led) == 1:
        return "it went back to its beginning before the last turn, which is one edit"
    language, languages = languages_of(row, led[-1].instruction)
    brief = SeenBrief("joint", language, languages, tuple(each.instruction for each in led))
    edit = Edit(picture_paths(row[images], images)[:1], "", made[-1:])
    kind = Kind(keeps=kept_by(led, taxonomy))
    found = yield from grown(COMPOSITION, row, edit, brief, kind, judge, columns)
    if isinstance(found, str):
        return found
    return replace(found, row={**found.row, **kind_columns(taxonomy.operations.get(SEVERAL))})


def led_by(turns: Sequence[Past], version: int) -> list[Past]:
    """The turns that led to a version, in order; to the first none did."""
    led: list[Past] = []
    while version > 1:
        led.insert(0, turns[version - 2])
        version = turns[version - 2].version
    return led


def kept_by(turns: Sequence[Past], taxonomy: Taxonomy) -> str:
    """What several edits keep together, one of KEEPS: what that keeps which keeps the least."""
    known = [taxonomy.operations[each.operation].keeps for each in turns if each.operation in taxonomy.operations]
    return max(known, key=KEEPS.index, default="shape")


def _past(value: object, column: str) -> list[Past]:
    try:
        assert isinstance(value, list)
        past = [Past(str(each["instruction"]), int(each["version"]), str(each["sub_type"])) for each in value]
        assert past
        assert all(1 <= each.version <= number for number, each in enumerate(past, start=1))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise RowError(f"`{column}` holds {value!r:.80}: expected the turns of an ImageEditSession") from None
    return past
