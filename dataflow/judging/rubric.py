"""Rubrics, read from YAML: the questions to a judge, and the axes by which each kind of edit is judged."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Row
from dataflow.judging.answers import SCALE
from dataflow.taxonomy.marked import Marked, read_marked
from dataflow.taxonomy.taxonomy import KEEPS, Taxonomy
from dataflow.utils.files import sha256_hex

_FOLDER = Path(__file__).with_name("rubrics")
_SHOWN = ("sources", "edit")
_SLOT = re.compile(r"\{(instruction|description|which|good|axes|form)\}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a picture was drawn.

    Args:
        description: the description from which the picture was drawn.
        number: number of the picture among the pictures that one instruction uses, from 1.
        of: number of pictures that one instruction uses.
    """

    description: str = ""
    number: int = 1
    of: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of an edit, which decides by which axes the edit is judged.

    Args:
        operation: name of the operation in the taxonomy; "": not known.
        group: name of the operation's group; "": not known.
        keeps: what an edit of this kind keeps: "all", "rest", "layout", "scene", "shape" or "nothing".
        good: what makes an instruction of this kind good; "": not known.
    """

    operation: str = ""
    group: str = ""
    keeps: str = "rest"
    good: str = ""


def kind_of(row: Row, taxonomy: Taxonomy) -> Kind:
    """Return the kind of a row's edit, by the operation in its column `sub_type`; `Kind()` if that is not known."""
    operation = taxonomy.operations.get(str(row.get("sub_type", "")))
    return Kind() if operation is None else Kind(operation.name, operation.group, operation.keeps, operation.good)


@dataclass(frozen=True, slots=True)
class Axis:
    """One property of an edit that the judge gives a number.

    Args:
        name: name of the axis, and of its number in the answer.
        question: name of the question with which the axis is asked.
        asks: one of KEEPS → the text that explains the axis for edits that keep this; "" → the text for all others.
        only: operations, groups and words of KEEPS whose edits have this axis; empty: all edits have it.
        without: operations, groups and words of KEEPS whose edits do not have this axis.
    """

    name: str
    question: str
    asks: Mapping[str, str]
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def applies(self, kind: Kind) -> bool:
        """Whether edits of a kind are judged by this axis."""
        names = {kind.operation, kind.group, kind.keeps} - {""}
        return not names.intersection(self.without) and (not self.only or bool(names.intersection(self.only)))

    def words(self, kind: Kind) -> str:
        """Return the text that explains the axis for edits of a kind."""
        return self.asks.get(kind.keeps) or self.asks.get("") or next(iter(self.asks.values()))


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a judge, which is one request.

    Args:
        name: name of the question.
        shows: the pictures in the request: "sources", "edit" or both.
        words: names of the text fields that the judge writes before its numbers.
        prompt: the prompt, with slots: {instruction}, {good}, {axes} and {form}; about drawings also {description} and
            {which}.
    """

    name: str
    shows: tuple[str, ...]
    words: tuple[str, ...]
    prompt: str


@dataclass(frozen=True, slots=True)
class Rubric:
    """The questions and axes of one rubric file.

    Args:
        name: name of the file without its ending.
        digest: the first 16 hex digits of the SHA-256 of the file; verdicts have it.
        scale: the highest number that the prompt tells the judge; the lowest is 0.
        questions: name → question.
        axes: all axes, in the order of the answer.
    """

    name: str
    digest: str
    scale: float
    questions: Mapping[str, Question]
    axes: tuple[Axis, ...]
    _known: dict[tuple[str, Kind], tuple[Axis, ...]] = field(default_factory=dict, compare=False, repr=False)

    def axes_of(self, question: str, kind: Kind) -> tuple[Axis, ...]:
        """Return the axes of a question for an edit of a kind; if there are none, the question is not asked."""
        found = self._known.get((question, kind))
        if found is None:
            found = tuple(axis for axis in self.axes if axis.question == question and axis.applies(kind))
            self._known[question, kind] = found
        return found

    def axes_of_both(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the axes whose question shows both the sources and the edit."""
        compared = [name for name, question in self.questions.items() if len(question.shows) > 1]
        return tuple(axis.name for name in compared for axis in self.axes_of(name, kind))

    def prompt(self, question: str, kind: Kind, instruction: str, drawn: Drawn | None = None) -> str:
        """Return the prompt of a question.

        Args:
            question: name of the question.
            kind: the kind of the edit.
            instruction: the instruction of the row. Each "</" in it is changed, so that it cannot end the tag around it
                and pass for words of the rubric.
            drawn: the description of the drawing; None for an edit.
        """
        axes = self.axes_of(question, kind)
        words = self.questions[question].words
        form = {**dict.fromkeys(words, "..."), **dict.fromkeys((axis.name for axis in axes), 0)}
        drawn = drawn or Drawn()
        slots = {
            "instruction": instruction.replace("</", "< /"),
            "description": drawn.description.replace("</", "< /"),
            "which": f"{drawn.number} of {drawn.of}",
            "good": f"Such an instruction is good if it does this: {kind.good}" if kind.good else "",
            "axes": "\n".join(f"- {axis.name}: {axis.words(kind)}" for axis in axes),
            "form": orjson.dumps(form).decode(),
        }
        return _SLOT.sub(lambda slot: slots[slot[1]], self.questions[question].prompt).strip()

    def schema(self, question: str, kind: Kind) -> str:
        """Return the JSON schema of the answer as JSON text; text fields stand before numbers, as reasons should."""
        fields: dict[str, JSON] = {name: {"type": "string"} for name in self.questions[question].words}
        fields |= {axis.name: {"type": "number"} for axis in self.axes_of(question, kind)}
        whole: JSON = {
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": False,
        }
        return orjson.dumps(whole).decode()


@cache
def shipped_rubric(name: str = "edit") -> Rubric:
    """Read a rubric of this package: "edit", "condition" (about drawings) or "instruction"."""
    return read_rubric(_FOLDER / f"{name}.yaml")


def read_rubric(path: str | Path) -> Rubric:
    """Read a rubric from a YAML file in the form of the shipped rubric.

    Raises:
        ConfigError: the file cannot be read.
        InputError: the file has a fault; the message has path and line.
    """
    path = Path(path)
    whole = read_marked(path)
    fields = whole.known(required=("questions", "axes"), optional=("scale",))
    questions = {each.name: _question(each) for each in fields["questions"].fields().values()}
    axes = tuple(_axis(each, questions) for each in fields["axes"].fields().values())
    if not axes:
        raise fields["axes"].fault("has no axes")
    scale = fields["scale"].number() if "scale" in fields else SCALE
    return Rubric(path.stem, sha256_hex(path.read_bytes())[:16], scale, questions, axes)


def _question(marked: Marked) -> Question:
    fields = marked.known(required=("shows", "prompt"), optional=("words",))
    shows = tuple(each.text() for each in fields["shows"].items())
    if not shows or [name for name in _SHOWN if name in shows] != list(shows):
        raise fields["shows"].fault(f"expected one or both of {', '.join(_SHOWN)}, in this order")
    prompt = fields["prompt"].text()
    for slot in ("{axes}", "{form}"):
        if slot not in prompt:
            raise fields["prompt"].fault(f"has no {slot}")
    words = tuple(each.text() for each in fields["words"].items()) if "words" in fields else ()
    return Question(marked.name, shows, words, prompt)


def _axis(marked: Marked, questions: Iterable[str]) -> Axis:
    fields = marked.known(required=("question", "asks"), optional=("only", "not"))
    question = fields["question"].text()
    if question not in questions:
        raise fields["question"].fault(f"is none of the questions: {', '.join(questions)}")
    asks = fields["asks"]
    kept = {} if asks.is_text else {name: each.text() for name, each in asks.known(optional=KEEPS).items()}
    if not asks.is_text and not kept:
        raise asks.fault(f"expected a text, or one for each of {', '.join(KEEPS)}")
    return Axis(
        marked.name,
        question,
        kept or {"": asks.text()},
        only=tuple(each.text() for each in fields["only"].items()) if "only" in fields else (),
        without=tuple(each.text() for each in fields["not"].items()) if "not" in fields else (),
    )
