"""Rows that come of other rows without an edit: what each is called, and how it names the one it comes of."""

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
from dataflow.operators.core_text.seeing import see
from dataflow.operators.core_text.wording import classified, instructed
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.seen import SeenBrief
from dataflow.taxonomy.taxonomy import LENGTHS, Operation

FORWARD, INVERSE, COMPOSITION, SESSION, TURN = "forward", "inverse", "composition", "session", "turn"
"""The values of the column `relation`."""

PASSED_OVER = "passed_over"
"""Side output of rows of which nothing comes, each with its `reason`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The edits of one row, as its columns tell.

    Args:
        sources: paths of the pictures that it starts from.
        instruction: the user's last.
        edits: paths of the results.
    """

    sources: tuple[str, ...]
    instruction: str
    edits: tuple[str, ...]

    @property
    def id(self) -> str:
        """32 hex digits that name it in every run, wherever the pictures lie.

        Names of pictures that were made follow from the contents of those that they were made of.
        """
        said = "\0".join([self.instruction, *map(_name, (*self.sources, *self.edits))])
        return hashlib.blake2b(said.encode(errors="replace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Related:
    """A row that comes of another, and what became of it."""

    row: Row
    instruction: str
    verdict: Verdict

    @property
    def told(self) -> Row:
        """As it stands in a row of the same pictures."""
        return {"id": self.row["id"], "instruction": self.instruction, "verdict": self.verdict.as_row()}


def edit_of(row: Row, columns: Columns) -> Edit:
    """What stands in the first inputs of a row: pictures, instruction, edits.

    Raises:
        RowError: a column holds something else.
    """
    images, conversation, edited = columns.inputs[:3]
    instruction = prompts(row[conversation], conversation)[-1]
    return Edit(picture_paths(row[images], images), instruction, picture_paths(row[edited], edited))


def identified(row: Row, relation: str, found: str) -> Row:
    """A row with an `id` and a `relation`; those that it has stay."""
    own = row.get("id")
    return {**row, "id": found if is_empty(own) else own, "relation": row.get("relation") or relation}


def worded(fields: Mapping[str, str], brief: SeenBrief, conversation: str, *pictures: str) -> tuple[Row, str]:
    """The columns of what was written, and the instruction of them that counts.

    Args:
        fields: of the answer.
        brief: what was asked.
        conversation: column of the instruction.
        pictures: by whose names it is drawn whether the short or the long form counts.
    """
    length = Draw(brief.asks, *map(_name, pictures)).pick(LENGTHS)
    said = instructed(fields, brief.written, conversation, length=length)
    return {**said, "description": fields["description"]}, str(said[conversation][0]["content"])


def grown(
    relation: str, parent: Row, edit: Edit, brief: SeenBrief, kind: Kind, judge: Judge, columns: Columns
) -> Asking[Related | str]:
    """Ask for the instruction that leads from one picture to another, and judge it; or why there is none.

    Args:
        relation: to the parent.
        parent: a row with an `id`.
        edit: the two pictures; its instruction is not known yet.
        brief: what is asked.
        kind: of the edit.
        judge: decides.
        columns: their first inputs are those of pictures, instruction and edits; their label is that of the verdict.

    Raises:
        AnswerError: a worker did not answer.
    """
    images, conversation, edited = columns.inputs[:3]
    written = yield from see(brief, (*edit.sources, *edit.edits))
    if isinstance(written, str):
        return written
    said, instruction = worded(written, brief, conversation, *edit.edits)
    verdict = yield from judge.judge(edit.sources, edit.edits[0], instruction, kind)
    if verdict.accepted is None:
        return f"{UNJUDGED}: {verdict.critique}"
    row: Row = {
        "id": Edit(edit.sources, instruction, edit.edits).id,
        "parent_id": parent["id"],
        "relation": relation,
        images: [*edit.sources],
        **said,
        edited: [*edit.edits],
        columns.labels[0]: verdict.as_row(),
    }
    return Related(row, instruction, verdict)


def kind_columns(operation: Operation | None) -> Row:
    """The columns that say which kind of edit it is, where that is known."""
    return {} if operation is None else classified(operation)


def _name(path: str) -> str:
    return os.path.basename(path)  # noqa: PTH119 - a tenth of pathlib's time, for each picture of an export
