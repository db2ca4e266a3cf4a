"""What a judge is asked, read from YAML: questions, and axes by the kind of edit."""

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
    """How a picture came about that is no edit.

    Args:
        description: what it was drawn from.
        number: which of the pictures it is that one instruction is about, from 1.
        of: how many these are.
    """

    description: str = ""
    number: int = 1
    of: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of an edit, by which axes are chosen.

    Args:
        operation: its name in the taxonomy; empty where nobody said.
        group: the operation's.
        keeps: one of KEEPS.
        good: what makes an instruction of this kind good.
    """

    operation: str = ""
    group: str = ""
    keeps: str = "rest"
    good: str = ""


def kind_of(row: Row, taxonomy: Taxonomy) -> Kind:
    """The kind of a row's edit, by its `sub_type`; of an unknown one, that of any edit."""
    operation = taxonomy.operations.get(str(row.get("sub_type", "")))
    return Kind() if operation is None else Kind(operation.name, operation.group, operation.keeps, operation.good)


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that is judged.

    Args:
        name: of the number in the answer.
        question: in which it is asked.
        asks: by what is kept, or under "" for all.
        only: names of operations, groups and KEEPS that have it; empty: all.
        without: those that have it not.
    """

    name: str
    question: str
    asks: Mapping[str, str]
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def applies(self, kind: Kind) -> bool:
        """Whether edits of a kind are judged by it."""
        names = {kind.operation, kind.group, kind.keeps} - {""}
        return not names.intersection(self.without) and (not self.only or bool(names.intersection(self.only)))

    def words(self, kind: Kind) -> str:
        """What is asked of an edit of a kind."""
        return self.asks.get(kind.keeps) or self.asks.get("") or next(iter(self.asks.values()))


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a judge.

    Args:
        name: of the question.
        shows: "sources", "edit" or both.
        words: fields that the judge writes before its numbers.
        prompt: with slots for the instruction, what makes it good, the axes and the form of the answer; of a drawing
            also for its description, and which of several it is.
    """

    name: str
    shows: tuple[str, ...]
    words: tuple[str, ...]
    prompt: str


@dataclass(frozen=True, slots=True)
class Rubric:
    """Questions and axes.

    Args:
        name: of the file.
        digest: of its content, the first 16 hex digits; a verdict names it.
        scale: highest number that the judge is told of.
        questions: by name.
        axes: in the order of the answer.
    """

    name: str
    digest: str
    scale: float
    questions: Mapping[str, Question]
    axes: tuple[Axis, ...]
    _known: dict[tuple[str, Kind], tuple[Axis, ...]] = field(default_factory=dict, compare=False, repr=False)

    def axes_of(self, question: str, kind: Kind) -> tuple[Axis, ...]:
        """The axes of a question for an edit of a kind; none: it is not asked."""
        found = self._known.get((question, kind))
        if found is None:
            found = tuple(axis for axis in self.axes if axis.question == question and axis.applies(kind))
            self._known[question, kind] = found
        return found

    def axes_of_both(self, kind: Kind) -> tuple[str, ...]:
        """Names of the axes by which an edit of a kind is held against its sources."""
        compared = [name for name, question in self.questions.items() if len(question.shows) > 1]
        return tuple(axis.name for name in compared for axis in self.axes_of(name, kind))

    def prompt(self, question: str, kind: Kind, instruction: str, drawn: Drawn | None = None) -> str:
        """What the judge is told.

        Args:
            question: its name.
            kind: of the edit.
            instruction: as the row has it; where it seems to end its own tag, it does not.
            drawn: how the picture came about, if it is a drawing.
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
        """The JSON schema of the answer, words before numbers, as JSON text."""
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
    """One that comes with the library."""
    return read_rubric(_FOLDER / f"{name}.yaml")


def read_rubric(path: str | Path) -> Rubric:
    """A rubric from a YAML file of the form of the shipped one.

    Raises:
        ConfigError: the file cannot be read.
        InputError: what is wrong in it, with path and line.
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
