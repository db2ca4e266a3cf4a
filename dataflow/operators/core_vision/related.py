"""Makes rows of other rows without a new edit; the columns `id`, `parent_id` and `relation` relate the two."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.core.columns import picture_paths, prompts
from dataflow.core.records import Row
from dataflow.flow.recipe import is_empty
from dataflow.judging.judge import Judge
from dataflow.judging.rubric import Kind
from dataflow.judging.together import Asking
from dataflow.judging.verdict import UNJUDGED, Verdict
from dataflow.operators.base import Columns
from dataflow.operators.core_text.picture_questions import ask_about_pictures
from dataflow.operators.core_text.wording import instruction_columns, operation_columns
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.picture_brief import PictureBrief
from dataflow.taxonomy.taxonomy import LENGTHS, Operation

FORWARD, INVERSE, COMPOSITION, SESSION, TURN = "forward", "inverse", "composition", "session", "turn"
"""The values of the column `relation`."""

PASSED_OVER = "passed_over"
"""Side output of the rows from which no new row was made, with the `reason`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The pictures and the instruction of one row.

    Args:
        sources: paths of the pictures that the edit starts from.
        instruction: the last message of the user.
        edits: paths of the edits.
    """

    sources: tuple[str, ...]
    instruction: str
    edits: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return 32 hex digits that are the same in every run and wherever the pictures lie.

        The digits follow from the instruction and the names of the picture files. The name of a picture that a worker
        made is the id of its request, which follows from the contents of the pictures in the request.
        """
        text = "\0".join([self.instruction, *map(_file_name, (*self.sources, *self.edits))])
        return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Related:
    """A row that was made of another row, with its verdict.

    Args:
        row: the new row.
        instruction: the instruction in the new row.
        verdict: the judge's verdict on the new row.
    """

    row: Row
    instruction: str
    verdict: Verdict

    @property
    def as_column(self) -> Row:
        """What the column `inverse` of the forward row holds: id, instruction and verdict of this row."""
        return {"id": self.row["id"], "instruction": self.instruction, "verdict": self.verdict.as_row()}


def edit_of(row: Row, columns: Columns) -> Edit:
    """Read pictures, instruction and edits from the first three input columns of a row.

    Raises:
        RowError: a column holds something else.
    """
    images, conversation, edited = columns.inputs[:3]
    instruction = prompts(row[conversation], conversation)[-1]
    return Edit(picture_paths(row[images], images), instruction, picture_paths(row[edited], edited))


def with_id(row: Row, relation: str, default_id: str) -> Row:
    """Return the row with an `id` and a `relation`; values that the row has already stay."""
    own = row.get("id")
    return {**row, "id": default_id if is_empty(own) else own, "relation": row.get("relation") or relation}


def read_wording(fields: Mapping[str, str], brief: PictureBrief, conversation: str, *pictures: str) -> tuple[Row, str]:
    """Return the columns of a writer's answer, and the form of the instruction that the row uses.

    Args:
        fields: field of the answer → its text.
        brief: the question.
        conversation: column of the instruction.
        pictures: paths of pictures; the names of their files decide whether the row uses the short or the long form.
    """
    length = Draw(brief.asks, *map(_file_name, pictures)).pick(LENGTHS)
    columns = instruction_columns(fields, brief.written, conversation, length=length)
    return {**columns, "description": fields["description"]}, str(columns[conversation][0]["content"])


def make_related(
    relation: str, parent: Row, edit: Edit, brief: PictureBrief, kind: Kind, judge: Judge, columns: Columns
) -> Asking[Related | str]:
    """Ask for the instruction that leads from one picture to another, and judge it; or return why there is none.

    Args:
        relation: what the new row is to its parent, for the column `relation`.
        parent: the row of which the new row is made, with an `id`.
        edit: the two pictures; its instruction is empty.
        brief: the question to the writer.
        kind: the kind of the edit, for the judge.
        judge: judges the new instruction.
        columns: the first inputs are the columns of pictures, messages and edits; the label is that of the verdict.

    Raises:
        AnswerError: a request failed.
    """
    images, conversation, edited = columns.inputs[:3]
    written = yield from ask_about_pictures(brief, (*edit.sources, *edit.edits))
    if isinstance(written, str):
        return written
    instructed, instruction = read_wording(written, brief, conversation, *edit.edits)
    verdict = yield from judge.judge(edit.sources, edit.edits[0], instruction, kind)
    if verdict.accepted is None:
        return f"{UNJUDGED}: {verdict.critique}"
    row: Row = {
        "id": Edit(edit.sources, instruction, edit.edits).id,
        "parent_id": parent["id"],
        "relation": relation,
        images: [*edit.sources],
        **instructed,
        edited: [*edit.edits],
        columns.labels[0]: verdict.as_row(),
    }
    return Related(row, instruction, verdict)


def kind_columns(operation: Operation | None) -> Row:
    """Return the columns of an operation; none if the operation is not known."""
    return {} if operation is None else operation_columns(operation)


def _file_name(path: str) -> str:
    return os.path.basename(path)  # noqa: PTH119 - a tenth of pathlib's time, for each picture of an export
