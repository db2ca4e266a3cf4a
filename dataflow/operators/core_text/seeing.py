"""Asks a writer that sees pictures of edits, and says why where it has no words for them."""

from collections.abc import Mapping, Sequence

from dataflow.core.records import Request, Row
from dataflow.errors import AnswerError, UnfitAnswer
from dataflow.operators.core_text.asking import Asking, ask_twice
from dataflow.taxonomy.answers import language_of
from dataflow.taxonomy.brief import schema_of
from dataflow.taxonomy.seen import LABELS, SeenBrief, write_seen
from dataflow.taxonomy.taxonomy import LANGUAGES, Operation

WRITER = "writer"


def see(
    brief: SeenBrief, pictures: Sequence[str], offered: Sequence[Operation] = ()
) -> Asking[Mapping[str, str] | str]:
    """The fields of an answer that will do, or why there is none.

    Args:
        brief: what is asked.
        pictures: paths of the one that is shown, or of both between which an instruction leads.
        offered: operations of which the next edit is one.

    Raises:
        AnswerError: there was no answer, and that was no refusal.
    """
    labels = LABELS if len(pictures) == len(LABELS) else ()
    prompt, schema = write_seen(brief, offered), schema_of(brief.fields)
    request = Request(prompt, tuple(pictures), "text", worker=WRITER, schema=schema, labels=labels)
    try:
        fields, _ = yield from ask_twice(request, lambda text: brief.read(text, offered))
    except UnfitAnswer as error:
        return f"the writer has no instruction for it: {error.short}"
    except AnswerError as error:
        if error.failure.kind != "refused":
            raise
        return f"the writer has no instruction for it: {error.failure.reason}"
    return fields


def languages_of(row: Row, instruction: str) -> tuple[str, tuple[str, ...]]:
    """The language of a row's instruction, and all that it is instructed in: columns `language`, `instructions`."""
    language = row.get("language")
    if language not in LANGUAGES:
        language = language_of(instruction) or LANGUAGES[0]
    forms = row.get("instructions")
    found = [each.get("language") for each in forms if isinstance(each, dict)] if isinstance(forms, list) else []
    return str(language), tuple(each for each in LANGUAGES if each == language or each in found)
