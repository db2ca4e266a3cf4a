"""An answer's fields in the form of a row."""

from collections.abc import Mapping, Sequence

from dataflow.core.records import Row
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.taxonomy import LENGTHS


def as_messages(texts: Sequence[str]) -> list[dict[str, str]]:
    """Texts in the guide's form of a conversation."""
    return [{"content": text, "role": "user"} for text in texts]


def described(fields: Mapping[str, str], brief: Brief) -> list[str]:
    """The description of each picture."""
    return [fields[name] for name in brief.suffixed("description")]


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
        conversation: as_messages([fields[f"{length}_{brief.language}"]]),
        "instructions": forms,
        "language": brief.language,
    }
    if brief.names_target:
        row["targets"] = [fields[name] for name in brief.suffixed("target")]
    if brief.pictures > 1:
        row |= {"style": brief.style, "refer": brief.refer}
    return row
