"""Pairs of pictures with known answers: whether a judge sees what it is shown, before anything is paid.

A judge may see one picture of two, or see them swapped, and still answer with confidence. It is asked about each pair
as about an edit; a run of the same judge finds the answers in its journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dataflow.judging.verdict import Verdict
from dataflow.taxonomy.marked import Marked, read_marked

Expected = Literal["low", "high"]
LOW, HIGH = 4.0, 6.0
"""What is low, at most, and what is high, at least, on the scale from 0 to 10."""

PHOTOGRAPHS = Path(__file__).with_name("photographs") / "canaries.yaml"


@dataclass(frozen=True, slots=True)
class Canary:
    """One pair with its answer.

    Args:
        name: what is the matter with it.
        sources: paths of the pictures that are given.
        edit: path of the picture that is to be judged.
        instruction: what it is judged by.
        expects: axis → whether a judge that can see gives it a low or a high number.
    """

    name: str
    sources: tuple[str, ...]
    edit: str
    instruction: str
    expects: Mapping[str, Expected]

    def problem(self, verdict: Verdict) -> str:
        """What is wrong with a judge's verdict of it; "": nothing."""
        for axis, expected in self.expects.items():
            number = verdict.axes.get(axis)
            if number is not None and (number <= LOW if expected == "low" else number >= HIGH):
                continue
            bound = f"at most {LOW:g}" if expected == "low" else f"at least {HIGH:g}"
            said = verdict.critique if number is None else f"{number:g} ({verdict.critique:.200})"
            return (
                f"the judge fails the check {self.name!r}: of the edit {self.edit}, made of {', '.join(self.sources)}"
                f" by {self.instruction!r}, its {axis} must be {bound}; it said {said}. It does not see both pictures,"
                f" or it cannot judge edits: use another judge, or give canaries=False to trust it all the same"
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
    fields = marked.known(required=("sources", "edit", "instruction", "expects"))
    sources = tuple(_picture(each, folder) for each in fields["sources"].items())
    expects: dict[str, Expected] = {}
    for name, each in fields["expects"].fields().items():
        if each.text() not in get_args(Expected):
            raise each.fault(f"expected one of {', '.join(get_args(Expected))}")
        expects[name] = "low" if each.text() == "low" else "high"
    return Canary(marked.name, sources, _picture(fields["edit"], folder), fields["instruction"].text(), expects)


def _picture(marked: Marked, folder: Path) -> str:
    path = folder / marked.text()
    if not path.is_file():
        raise marked.fault(f"no such picture: {path}")
    return str(path.absolute())
