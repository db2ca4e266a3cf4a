"""Canaries: pictures with known answers, which show whether a judge sees the pictures before any row is paid for.

A server may show its model one picture of two, or swap them, and the model still answers with confidence. The judge is
asked about a pair as about an edit, and about a single picture as about a drawing. A later run of the same judge finds
the answers in the journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dataflow.core.notebook import same_again
from dataflow.judging.rubric import Drawn
from dataflow.judging.verdict import Verdict
from dataflow.taxonomy.marked import Marked, read_marked

Expected = Literal["low", "high"]
LOW, HIGH = 4.0, 6.0
"""On the scale from 0 to 10: a number up to LOW is low, a number from HIGH on is high."""

PHOTOGRAPHS = Path(__file__).with_name("photographs") / "canaries.yaml"
CONDITIONS = PHOTOGRAPHS.with_name("conditions.yaml")
"""The shipped canaries: PHOTOGRAPHS are edits, CONDITIONS are drawings with descriptions."""


@dataclass(frozen=True, slots=True)
class Canary:
    """An edit, or a drawing, with the answers that a judge must give.

    Args:
        name: what is right or wrong with the picture, in a few words.
        sources: paths of the source pictures; empty for a drawing.
        edit: path of the picture that is judged.
        instruction: the instruction by which the picture is judged.
        expects: axis → whether a judge that sees the pictures gives a low or a high number.
        drawn: the description of the drawing; None for an edit.
    """

    name: str
    sources: tuple[str, ...]
    edit: str
    instruction: str
    expects: Mapping[str, Expected]
    drawn: Drawn | None = None

    @property
    def in_words(self) -> str:
        """The pictures and the instruction in words, for a message."""
        if self.drawn is None:
            return f"the edit {self.edit}, made of {', '.join(self.sources)} by {self.instruction!r}"
        return f"the drawing {self.edit}, made by {self.drawn.description!r} and to be edited by {self.instruction!r}"

    def problem(self, verdict: Verdict) -> str:
        """Return a message that says what is wrong with a judge's verdict on this canary; "" if nothing is."""
        for axis, expected in self.expects.items():
            number = verdict.axes.get(axis)
            if number is not None and (number <= LOW if expected == "low" else number >= HIGH):
                continue
            bound = f"at most {LOW:g}" if expected == "low" else f"at least {HIGH:g}"
            answer = verdict.critique if number is None else f"it said {number:g} ({verdict.critique:.200})"
            return (
                f"the judge fails the check {self.name!r}: of {self.in_words}, its {axis} must be {bound};"
                f" {answer}. It does not see {'both pictures' if self.sources else 'the picture'}, or it cannot judge"
                f" {'edits' if self.sources else 'drawings'}: use another judge, or put this one right and run"
                f" {same_again()}, which asks anew what it failed; or give canaries=False (--no_canaries) to trust it"
                f" all the same"
            )
        return ""


def read_canaries(path: str | Path) -> tuple[Canary, ...]:
    """Read canaries from a YAML file; the paths of the pictures in it are relative to its folder.

    Raises:
        ConfigError: the file cannot be read.
        InputError: the file has a fault; the message has path and line.
    """
    whole = read_marked(Path(path))
    return tuple(_canary(each, Path(path).parent) for each in whole.fields().values())


def _canary(marked: Marked, folder: Path) -> Canary:
    names = ("drawing", "description") if "drawing" in marked.fields() else ("edit", "sources")
    fields = marked.known(required=(*names, "instruction", "expects"))
    sources = tuple(_picture(each, folder) for each in fields["sources"].items()) if "sources" in fields else ()
    drawn = Drawn(fields["description"].text()) if "description" in fields else None
    expects: dict[str, Expected] = {}
    for name, each in fields["expects"].fields().items():
        if each.text() not in get_args(Expected):
            raise each.fault(f"expected one of {', '.join(get_args(Expected))}")
        expects[name] = "low" if each.text() == "low" else "high"
    judged = _picture(fields[names[0]], folder)
    return Canary(marked.name, sources, judged, fields["instruction"].text(), expects, drawn)


def _picture(marked: Marked, folder: Path) -> str:
    path = folder / marked.text()
    if not path.is_file():
        raise marked.fault(f"no such picture: {path}")
    return str(path.absolute())
