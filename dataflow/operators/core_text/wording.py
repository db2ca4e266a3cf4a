"""An answer's fields in the form of a row."""

from collections.abc import Mapping

from dataflow.core.records import Row
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.taxonomy import LENGTHS, Operation


def described(fields: Mapping[str, str], brief: Brief) -> list[dict[str, str]]:
    """The description of each picture, as messages."""
    return [_message(fields[name]) for name in brief.suffixed("description")]


def instructed(fields: Mapping[str, str], brief: Brief, conversation: str, *, length: str) -> Row:
    """The columns of the instruction: the form to edit by, and all forms.

    Args:
        fields: of the answer.
        brief: what was asked.
        conversation: column of the form to edit by; it is in the language of the description.
        length: of that form, one of LENGTHS.
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


def classified(operation: Operation) -> Row:
    """The columns that say which kind of edit it is."""
    return {"edit_type": operation.group, "sub_type": operation.name}


def _message(text: str) -> dict[str, str]:
    return {"content": text, "role": "user"}
