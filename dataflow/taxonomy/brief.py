"""The brief of one row: operation, languages and ideas. It is written as a prompt and can be read back from the prompt.

The prompt ends with the brief as one line of JSON, so that a writer without a language model (`TemplateWriter`)
answers the same requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import orjson

from dataflow.taxonomy.taxonomy import Operation, fields_of

CHOSEN = "operation"
"""Field of an answer with the name of the operation that the writer chose."""

LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}

_MARK = "\nBrief: "
_REFERRING = {
    "position": 'by its position, in every form: "the first image", "the second image" (in Chinese 第一张图、第二张图)',
    "label": 'by its label, in every form: "Image 1", "Image 2" (in Chinese 图1、图2)',
    "words": "by the words of its target alone, never by a number",
}


@dataclass(frozen=True, slots=True)
class Brief:
    """What a writer is asked for in one row.

    Args:
        operation: name of the operation in the taxonomy.
        language: language of the descriptions.
        languages: languages of the instructions.
        names_target: the instruction must name a thing (the target) that the description contains.
        pictures: number of pictures that are described.
        refer: how the instruction refers to each of several pictures: "position" ("the second image"), "label"
            ("Image 2") or "words" for what it shows; "" for one picture.
        style: style of all pictures of the row; "": any style.
        ideas: kind of idea → what to write about, in `language`; ideas make rows differ.
    """

    operation: str
    language: str
    languages: tuple[str, ...]
    names_target: bool
    pictures: int = 1
    refer: str = ""
    style: str = ""
    ideas: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the answer's fields, in order."""
        return fields_of(self.pictures, names_target=self.names_target, languages=self.languages)

    def suffixed(self, field: str) -> list[str]:
        """Return the names of a field that each picture has, such as "target_1" and "target_2" of two pictures."""
        return [field] if self.pictures == 1 else [f"{field}_{number}" for number in range(1, self.pictures + 1)]

    @property
    def schema(self) -> str:
        """The JSON schema of the answer, as JSON text with sorted keys."""
        return schema_of(self.fields)


def schema_of(fields: Sequence[str]) -> str:
    """Return the JSON schema of an object with these text fields, as JSON text with sorted keys."""
    properties = {name: {"type": "string", "minLength": 1} for name in fields}
    whole = {"type": "object", "properties": properties, "required": [*fields], "additionalProperties": False}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()


def write_prompt(brief: Brief, operation: Operation) -> str:
    """Write the prompt of a brief for a language model.

    Args:
        brief: what is asked for.
        operation: the operation that the brief names.
    """
    several = brief.pictures > 1
    lines = [
        "Write one example of training data for a model that edits pictures.",
        f"Kind of edit: {operation.group}, {operation.name.replace('_', ' ')}. {operation.good}",
    ]
    if several:
        lines.append(f"It starts from {brief.pictures} pictures; the instruction refers to each {_refers(brief)}.")
    if brief.style:
        lines.append(f"Every picture and the result have the style: {brief.style}.")
    lines += [
        "Answer with one JSON object and nothing else. Its fields, all of them text:",
        *(f"- {name}: {meaning(name, brief)}" for name in brief.fields),
        *_example(brief, operation),
        "Ideas, of which you use what fits: " + "; ".join(f"{kind}: {idea}" for kind, idea in brief.ideas.items()),
    ]
    whole = {each.name: getattr(brief, each.name) for each in fields(brief)}
    return "\n".join(lines) + _MARK + orjson.dumps(whole).decode()


def write_choice(brief: Brief, offered: Sequence[Operation]) -> str:
    """Write the prompt that asks a model which of several operations suits a picture best, and for its instruction."""
    lines = [
        "Look at the picture and write one instruction to edit it, as training data for a model that edits pictures.",
        "Take the kind of edit that fits this picture best:",
        *(f"- {each.name}: {each.good}" for each in offered),
        "Answer with one JSON object and nothing else. Its fields, all of them text:",
        f"- {CHOSEN}: the name of the kind of edit that you took, as written above",
        *(f"- {name}: {meaning(name, brief)}" for name in brief.fields),
    ]
    return "\n".join(lines)


def read_brief(prompt: str) -> Brief | None:
    """Read the brief at the end of a prompt of `write_prompt`; None: the prompt is another one."""
    _, mark, written = prompt.rpartition(_MARK)
    if not mark:
        return None
    fields = orjson.loads(written)
    return Brief(**{**fields, "languages": tuple(fields["languages"])})


def _refers(brief: Brief) -> str:
    return _REFERRING[brief.refer or "position"]


def meaning(field: str, brief: Brief) -> str:
    """Return the text that explains a field of the answer in the prompt."""
    name, _, rest = field.partition("_")
    language = LANGUAGE_NAMES[brief.language]
    which = f"picture {rest}" if brief.pictures > 1 else "the picture"
    if name == "description":
        return f"what {which} shows before the edit, in {language}, 15 to 40 words, exact enough to draw it"
    if name == "target":
        return f"the thing in {which} that the instruction is about, in exactly the words of its description"
    exact = " with the exact words of the target" if _is_quoting(rest, brief) else ""
    size = "one sentence of at most 12 words" if name == "short" else "the same in one or two exact sentences"
    return f"the instruction in {LANGUAGE_NAMES[rest]}, {size}{exact}"


def _is_quoting(language: str, brief: Brief) -> bool:
    """Whether the instruction in a language must have the exact words of the target."""
    return brief.names_target and language == brief.language and (brief.pictures == 1 or brief.refer == "words")


def _example(brief: Brief, operation: Operation) -> list[str]:
    """Return the lines with example instructions of the operation.

    The examples of operations of several pictures refer to them by position, and are left out for other references.
    """
    if brief.pictures > 1 and brief.refer != "position":
        return []
    forms = [name for name in operation.example if name.partition("_")[2] in brief.languages]
    return ["Such instructions, of other pictures:", *(f"- {name}: {operation.example[name]}" for name in forms)]
