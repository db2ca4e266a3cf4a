"""Makes the columns of a row from the fields of a writer's answer."""

from collections.abc import Mapping

from dataflow.core.records import Row
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.taxonomy import LENGTHS, Operation


def description_messages(fields: Mapping[str, str], brief: Brief) -> list[dict[str, str]]:
    """Return the description of each picture, as messages of the user."""
    return [_message(fields[name]) for name in brief.suffixed("description")]


def instruction_columns(fields: Mapping[str, str], brief: Brief, conversation: str, *, length: str) -> Row:
    """Return the columns of the instruction: the form that the edit uses, and all forms.

    Args:
        fields: field of the answer → its text.
        brief: the brief of the answer.
        conversation: column that gets the form that the edit uses, in the language of the description.
        length: which form that is, one of LENGTHS.
    """
    forms = [
        {"content": fields[f"{size}_{language}"], "role": "user", "language": language, "length": size}
        for language in brief.languages
        for size in LENGTHS
    ]
    row: Row = {
        conversation: [_message(fields[f"{length}_{brief.language}"])],
        "instructions": forms,
        "language": brief.language,
    }
    if brief.names_target:
        row["targets"] = [fields[name] for name in brief.suffixed("target")]
    if brief.pictures > 1:
        row |= {"style": brief.style, "refer": brief.refer}
    return row


def operation_columns(operation: Operation) -> Row:
    """Return the columns `edit_type` (the group) and `sub_type` (the operation)."""
    return {"edit_type": operation.group, "sub_type": operation.name}


def _message(text: str) -> dict[str, str]:
    return {"content": text, "role": "user"}
