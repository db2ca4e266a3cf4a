"""What a writer is asked who sees pictures of edits that were made, and read back from the prompt.

An inverse and a joint instruction lead from one given picture to another; the next one begins where a conversation
stands. Nothing here is edited: what is written is judged, or edited later. As a `Brief` it ends the prompt as one line
of JSON, so that a writer without a language model can be asked the same.
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
"""How a turn of a conversation refers to what was before: to the thing of the turn before, or to a version before."""

LABELS = ("Before:", "After:")
"""Of the two pictures from one of which an instruction leads to the other."""

_MARK = "\nSeen: "
_CANNOT = "If no instruction says it, answer with the words: I cannot."


@dataclass(frozen=True, slots=True)
class SeenBrief:
    """What is asked about pictures that are there.

    Args:
        asks: for the instruction that makes an edit undone, for one that says several edits at once, or for the next.
        language: of the description, and of what was said.
        languages: of the instructions.
        said: the instructions that led to the picture, each whole in itself, in order.
        refers: of the next: "", or IT or BACK.
        version: of the next: which one is shown and edited, from 1, the picture at the beginning.
    """

    asks: Asks
    language: str
    languages: tuple[str, ...]
    said: tuple[str, ...] = ()
    refers: str = ""
    version: int = 1

    @property
    def written(self) -> Brief:
        """The fields that every answer has, and how they are checked."""
        return Brief(self.asks, self.language, self.languages, names_target=False)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The field that names the operation of the next edit."""
        return (CHOSEN,) if self.asks == "next" else ()

    @property
    def spoken(self) -> tuple[str, ...]:
        """The fields of what the user says in a conversation, whose instructions need not be whole in themselves."""
        return tuple(f"said_{language}" for language in self.languages) if self.asks == "next" else ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the answer, in order."""
        return (*self.chosen, *self.written.fields, *self.spoken)

    def read(self, text: str, offered: Sequence[Operation] = ()) -> Mapping[str, str]:
        """The fields of an answer, once nothing is wrong with them.

        Args:
            text: of the answer.
            offered: operations of which the next edit is one.

        Raises:
            UnfitAnswer: those of `read_answer`; unknown_operation, wrong_language.
        """
        fields = {**read_answer(text, self.written), **read_fields(text, (*self.chosen, *self.spoken))}
        if self.chosen and fields[CHOSEN] not in [each.name for each in offered]:
            raise UnfitAnswer("unknown_operation", f"`{CHOSEN}` is {fields[CHOSEN]!r:.80}, not one of those offered")
        for name in self.spoken:
            if language_of(fields[name]) != name.removeprefix("said_"):
                language = LANGUAGE_NAMES[name.removeprefix("said_")]
                raise UnfitAnswer("wrong_language", f"`{name}` is not in {language}: {fields[name]:.80}")
        return fields


def write_seen(brief: SeenBrief, offered: Sequence[Operation] = ()) -> str:
    """The brief in words, for a vision-language model that is shown the pictures.

    Args:
        brief: what is asked.
        offered: operations of which the next edit is one.
    """
    asked = _next(brief, offered) if brief.asks == "next" else _between(brief)
    lines = [
        *asked,
        "Answer with one JSON object and nothing else. Its fields, all of them text:",
        *(f"- {name}: {_meaning(name, brief)}" for name in brief.fields),
    ]
    told = {**asdict(brief), "offered": [each.name for each in offered]}
    return "\n".join(lines) + _MARK + orjson.dumps(told).decode()


def read_seen(prompt: str) -> tuple[SeenBrief, tuple[str, ...]] | None:
    """The brief at the end of such a prompt, and the names of the operations offered; None for any other."""
    _, mark, written = prompt.rpartition(_MARK)
    if not mark:
        return None
    told = orjson.loads(written)
    offered = tuple(told.pop("offered"))
    return SeenBrief(**{**told, "languages": tuple(told["languages"]), "said": tuple(told["said"])}), offered


def _between(brief: SeenBrief) -> list[str]:
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


def _next(brief: SeenBrief, offered: Sequence[Operation]) -> list[str]:
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


def _meaning(field: str, brief: SeenBrief) -> str:
    if field == CHOSEN:
        return "the name of the kind of edit that you took, as written above"
    if field in brief.spoken:
        return f"the same instruction in {LANGUAGE_NAMES[field.removeprefix('said_')]}, as the user says it here"
    whole = ", whole in itself" if brief.asks == "next" and not field.startswith("description") else ""
    return meaning(field, brief.written) + whole
