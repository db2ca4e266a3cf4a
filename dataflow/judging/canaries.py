"""Pictures with known answers: whether a judge sees what it is shown, before anything is paid.

A judge may see one picture of two, or see them swapped, and still answer with confidence. It is asked about each pair
as about an edit, about a single picture as about a drawing; a run of the same judge finds the answers in its journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dataflow.judging.rubric import Drawn
from dataflow.judging.verdict import Verdict
from dataflow.taxonomy.marked import Marked, read_marked

Expected = Literal["low", "high"]
LOW, HIGH = 4.0, 6.0
"""What is low, at most, and what is high, at least, on the scale from 0 to 10."""

PHOTOGRAPHS = Path(__file__).with_name("photographs") / "canaries.yaml"
CONDITIONS = PHOTOGRAPHS.with_name("conditions.yaml")
"""Edits, and pictures with descriptions."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One pair, or one drawing, with its answer.

    Args:
        name: what is the matter with it.
        sources: paths of the pictures that are given; of a drawing none.
        edit: path of the picture that is to be judged.
        instruction: what it is judged by.
        expects: axis → whether a judge that can see gives it a low or a high number.
        drawn: how the picture came about, if it is a drawing.
    """

    name: str
    sources: tuple[str, ...]
    edit: str
    instruction: str
    expects: Mapping[str, Expected]
    drawn: Drawn | None = None

    @property
    def shown(self) -> str:
        """What the judge is asked about."""
        if self.drawn is None:
            return f"the edit {self.edit}, made of {', '.join(self.sources)} by {self.instruction!r}"
        return f"the drawing {self.edit}, made by {self.drawn.description!r} and to be edited by {self.instruction!r}"

    def problem(self, verdict: Verdict) -> str:
        """What is wrong with a judge's verdict of it; "": nothing."""
        for axis, expected in self.expects.items():
            number = verdict.axes.get(axis)
            if number is not None and (number <= LOW if expected == "low" else number >= HIGH):
                continue
            bound = f"at most {LOW:g}" if expected == "low" else f"at least {HIGH:g}"
            said = verdict.critique if number is None else f"{number:g} ({verdict.critique:.200})"
            return (
                f"the judge fails the check {self.name!r}: of {self.shown}, its {axis} must be {bound}; it said {said}."
                f" It does not see {'both pictures' if self.sources else 'the picture'}, or it cannot judge"
                f" {'edits' if self.sources else 'drawings'}: use another judge, or put this one right and run the same"
                f" command, which asks anew what it failed; or give canaries=False (--no_canaries) to trust it all the"
                f" same"
            )
        return ""


def read_canaries(path: str | Path) -> tuple[Canary, ...]:
    """Canaries from a YAML file; its pictures lie beside it.

    Raises:
        ConfigError: the file cannot be read.
        InputError: what is wrong in it, with path and line.
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
