"""Rows that come of other rows without an edit: what they are called, and how each names the one it comes of."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.columns import picture_paths, prompts
from dataflow.core.records import Row
from dataflow.operators.base import Columns
from dataflow.operators.core_text.wording import classified, instructed
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LENGTHS, Operation

FORWARD, INVERSE, COMPOSITION, SESSION, TURN = "forward", "inverse", "composition", "session", "turn"
"""The values of the column `relation`."""

PASSED_OVER = "passed_over"
"""Side output of rows of which nothing comes, each with its `reason`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The accepted edits of one row, as its columns tell.

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
        return id_of(self.instruction, *self.sources, *self.edits)


def edit_of(row: Row, columns: Columns) -> Edit:
    """What stands in the inputs of a row: pictures, instruction, edits.

    Raises:
        RowError: a column holds something else.
    """
    images, conversation, edited = columns.inputs
    instruction = prompts(row[conversation], conversation)[-1]
    return Edit(picture_paths(row[images], images), instruction, picture_paths(row[edited], edited))


def id_of(instruction: str, *pictures: str) -> str:
    """As `Edit.id`."""
    said = "\0".join([instruction, *(Path(path).name for path in pictures)])
    return hashlib.blake2b(said.encode(errors="replace"), digest_size=16).hexdigest()


def identified(row: Row, relation: str, found: str) -> Row:
    """A row with an `id` and a `relation`; those that it has stay."""
    return {**row, "id": row.get("id") or found, "relation": row.get("relation") or relation}


def related(
    relation: str, parent_id: object, edit: Edit, fields: Mapping[str, str], brief: Brief, columns: Columns
) -> tuple[Row, str]:
    """A new row and its instruction.

    Args:
        relation: to the row that it comes of.
        parent_id: of that row.
        edit: its pictures; its instruction is not known yet.
        fields: what was written.
        brief: what was asked.
        columns: their inputs are the columns of pictures, instruction and edits.
    """
    images, conversation, edited = columns.inputs
    length = Draw(relation, *(Path(path).name for path in edit.edits)).pick(LENGTHS)
    said = instructed(fields, brief, conversation, length=length)
    instruction = str(said[conversation][0]["content"])
    row = {
        "id": id_of(instruction, *edit.sources, *edit.edits),
        "parent_id": parent_id,
        "relation": relation,
        images: [*edit.sources],
        **said,
        "description": fields["description"],
        edited: [*edit.edits],
    }
    return row, instruction


def kind_columns(operation: Operation | None) -> Row:
    """The columns that say which kind of edit it is, where that is known."""
    return {} if operation is None else classified(operation)
