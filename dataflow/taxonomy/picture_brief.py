"""Questions to a writer about pictures that are there: a brief, its prompt, and the brief read back from the prompt.

The writer sees the pictures and writes one of three instructions. An inverse and a joint instruction lead from one
given picture to another. The next instruction of a session starts from the picture that is shown.

The prompt ends with the brief as one line of JSON, as that of a `Brief` does, so that a writer without a language model
answers the same requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import orjson

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.answers import language_of, read_answer, read_fields
from dataflow.taxonomy.brief import CHOSEN, LANGUAGE_NAMES, Brief, meaning
from dataflow.taxonomy.taxonomy import Operation

Asks = Literal["inverse", "joint", "next"]
IT, BACK = "it", "back"
"""How a turn of a session refers to earlier turns: to the thing that the last turn edited, or to an earlier picture."""

LABELS = ("Before:", "After:")
"""The texts before the two pictures in a request: the instruction leads from the first picture to the second."""

_MARK = "\nSeen: "
_CANNOT = "If no instruction says it, answer with the words: I cannot."


@dataclass(frozen=True, slots=True)
class PictureBrief:
    """A question about pictures that are there.

    Args:
        asks: "inverse": the instruction that undoes an edit; "joint": one instruction for several edits; "next": the
            next instruction of a session.
        language: language of the description, and of the instructions in `said`.
        languages: languages of the new instruction.
        said: the instructions that led to the picture, in order, each understandable by itself.
        refers: how the next instruction refers to earlier turns: "" (not at all), IT or BACK.
        version: number of the picture that the next instruction edits, from 1, the first picture of the session.
    """

    asks: Asks
    language: str
    languages: tuple[str, ...]
    said: tuple[str, ...] = ()
    refers: str = ""
    version: int = 1

    @property
    def written(self) -> Brief:
        """The brief of the fields that every answer has, by which they are checked."""
        return Brief(self.asks, self.language, self.languages, names_target=False)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The field with the operation of the next edit; none for other questions."""
        return (CHOSEN,) if self.asks == "next" else ()

    @property
    def spoken(self) -> tuple[str, ...]:
        """The fields with what the user says in the session, which may refer to earlier turns; none for others."""
        return tuple(f"said_{language}" for language in self.languages) if self.asks == "next" else ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the answer's fields, in order."""
        return (*self.chosen, *self.written.fields, *self.spoken)

    def read(self, text: str, offered: Sequence[Operation] = ()) -> Mapping[str, str]:
        """Read the fields of an answer, and check them.

        Args:
            text: text of the answer.
            offered: the operations from which the writer chose the next edit.

        Raises:
            UnfitAnswer: a fault of `read_answer`, unknown_operation or wrong_language.
        """
        fields = {**read_answer(text, self.written), **read_fields(text, (*self.chosen, *self.spoken))}
        if self.chosen and fields[CHOSEN] not in [each.name for each in offered]:
            raise UnfitAnswer("unknown_operation", f"`{CHOSEN}` is {fields[CHOSEN]!r:.80}, not one of those offered")
        for name in self.spoken:
            if language_of(fields[name]) != name.removeprefix("said_"):
                language = LANGUAGE_NAMES[name.removeprefix("said_")]
                raise UnfitAnswer("wrong_language", f"`{name}` is not in {language}: {fields[name]:.80}")
        return fields


def write_picture_prompt(brief: PictureBrief, offered: Sequence[Operation] = ()) -> str:
    """Write the prompt of a brief for a vision-language model that sees the pictures.

    Args:
        brief: the question.
        offered: the operations from which the writer chooses the next edit.
    """
    asked = _next(brief, offered) if brief.asks == "next" else _between(brief)
    lines = [
        *asked,
        "Answer with one JSON object and nothing else. Its fields, all of them text:",
        *(f"- {name}: {_meaning(name, brief)}" for name in brief.fields),
    ]
    whole = {**asdict(brief), "offered": [each.name for each in offered]}
    return "\n".join(lines) + _MARK + orjson.dumps(whole).decode()


def read_picture_prompt(prompt: str) -> tuple[PictureBrief, tuple[str, ...]] | None:
    """Read the brief at the end of a prompt, and the names of the offered operations; None: it is another prompt."""
    _, mark, written = prompt.rpartition(_MARK)
    if not mark:
        return None
    fields = orjson.loads(written)
    offered = tuple(fields.pop("offered"))
    return PictureBrief(**{**fields, "languages": tuple(fields["languages"]), "said": tuple(fields["said"])}), offered


def _between(brief: PictureBrief) -> list[str]:
    """Return the lines of a question about two pictures."""
    before, after = (label.removesuffix(":") for label in LABELS)
    if brief.asks == "inverse":
        made = f'{after} is the older one; "{brief.said[-1]}" made {before} out of it.'
        how = (
            f"Say what is done to {before} and what is seen then, as to someone who knows {before} alone: what comes"
            " back is described exactly, and nothing is undone, restored or original."
        )
    else:
        made = f"These edits lead from {before} to {after}, one after the other: {_listed(brief.said)}"
        how = f"Say in one instruction all that is different in {after}, and nothing that is not seen there any more."
    return [
        "Look at the two pictures and write the one instruction that makes the second out of the first, as training"
        " data for a model that edits pictures.",
        made,
        f"{how} {_CANNOT}",
    ]


def _next(brief: PictureBrief, offered: Sequence[Operation]) -> list[str]:
    """Return the lines of the question for the next instruction of a session."""
    lines = [
        "Look at the picture and write what a user asks for next, in a conversation with a model that edits pictures.",
        f"So far, one after the other, these edits led to it: {_listed(brief.said)}" if brief.said else "It is new.",
        "Take the kind of edit that fits this picture best, and leave what was edited before as it is now:",
        *(f"- {each.name}: {each.good}" for each in offered),
    ]
    if brief.refers == IT:
        lines.append('It is about the same thing as the last edit, which the user calls "it" (in Chinese 它).')
    if brief.refers == BACK:
        lines.append(f"The user goes back to version {brief.version}, which is the picture shown, and says so first.")
    return lines


def _listed(said: Sequence[str]) -> str:
    return " ".join(f'{number}. "{each}"' for number, each in enumerate(said, start=1))


def _meaning(field: str, brief: PictureBrief) -> str:
    if field == CHOSEN:
        return "the name of the kind of edit that you took, as written above"
    if field in brief.spoken:
        return f"the same instruction in {LANGUAGE_NAMES[field.removeprefix('said_')]}, as the user says it here"
    whole = ", whole in itself" if brief.asks == "next" and not field.startswith("description") else ""
    return meaning(field, brief.written) + whole
