"""Asks a writer about pictures of edits: for an instruction, or for the reason why there is none."""

from collections.abc import Mapping, Sequence

from dataflow.core.records import Request, Row
from dataflow.errors import AnswerError, UnfitAnswer
from dataflow.judging.together import Asking
from dataflow.operators.core_text.asking import ask_twice
from dataflow.taxonomy.answers import language_of
from dataflow.taxonomy.brief import schema_of
from dataflow.taxonomy.picture_brief import LABELS, PictureBrief, write_picture_prompt
from dataflow.taxonomy.taxonomy import LANGUAGES, Operation

WRITER = "writer"


def ask_about_pictures(
    brief: PictureBrief, pictures: Sequence[str], offered: Sequence[Operation] = ()
) -> Asking[Mapping[str, str] | str]:
    """Ask a writer, and return the fields of its answer, or the reason why there is no instruction.

    Args:
        brief: the question.
        pictures: path of the picture that the next edit starts from; or the paths of the picture before and the
            picture after an edit.
        offered: operations from which the writer chooses the next edit.

    Raises:
        AnswerError: a request failed, and not because the provider refused it.
    """
    labels = LABELS if len(pictures) == len(LABELS) else ()
    prompt, schema = write_picture_prompt(brief, offered), schema_of(brief.fields)
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
    """Return the language of a row's instruction, and all languages of its instructions.

    Args:
        row: its columns `language` and `instructions` decide, if the row has them.
        instruction: its letters decide if the row has no column `language`.
    """
    language = row.get("language")
    if language not in LANGUAGES:
        language = language_of(instruction) or LANGUAGES[0]
    forms = row.get("instructions")
    found = [each.get("language") for each in forms if isinstance(each, dict)] if isinstance(forms, list) else []
    return str(language), tuple(each for each in LANGUAGES if each == language or each in found)
