"""What gates and judge made of each edit, in a word or two and a few lines."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.judging.rewording import FAULTS
from dataflow.judging.tries import REFUSED
from dataflow.view.cell import QUIET

_HEADS = {True: ("accepted", "#2c7a3f"), False: ("rejected", "#a8321f"), None: ("unjudged", QUIET)}


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one edit: a word or two with their colour, and why."""

    head: str
    colour: str
    words: str


def notes_of(verdict: object, instruction: str) -> list[Note]:
    """A note for each picture of a row's result, in order; empty where nobody judged.

    Args:
        verdict: what the column holds: the verdict of one edit, a list of several, or that of a pair.
        instruction: of the row; what a try asked is told where it is something else.
    """
    if isinstance(verdict, Mapping) and isinstance(verdict.get("verdicts"), list):
        verdict = verdict["verdicts"]
    found = verdict if isinstance(verdict, list) else [verdict]
    shown = [each for each in found if isinstance(each, Mapping) and "accepted" in each]
    return [_note(each, instruction) for each in shown if each.get("gate") != REFUSED]


def refusal_of(verdict: object) -> str:
    """Why the editor refused to make the last edit; empty if it did not."""
    last = verdict[-1] if isinstance(verdict, list) and verdict else verdict
    is_refused = isinstance(last, Mapping) and last.get("gate") == REFUSED
    return f"the editor refused: {last.get('critique', '')}" if is_refused and isinstance(last, Mapping) else ""


def _note(verdict: Mapping[str, object], instruction: str) -> Note:
    accepted, axes, gate = verdict["accepted"], verdict.get("axes"), verdict.get("gate")
    head, colour = _HEADS[accepted if isinstance(accepted, bool) else None]
    at = verdict.get("try")
    number = at + 1 if isinstance(at, int) else verdict.get("tries")
    head += f" at try {number}" if number else ""
    score = verdict.get("score")
    head += f", score {score:.1f}" if isinstance(score, int | float) else ""
    words = [f"gate {gate}: {FAULTS.get(str(gate), 'not passed')}"] if gate else []
    if isinstance(axes, Mapping):
        numbers = [(name, number) for name, number in axes.items() if isinstance(number, int | float)]
        words.append(", ".join(f"{name} {number:g}" for name, number in numbers))
    if verdict.get("critique"):
        words.append(str(verdict["critique"]))
    if verdict.get("prompt") not in (None, instruction):  # last: it may hold an earlier critique and be cut
        words.append(f"asked: {verdict['prompt']}")
    return Note(head, colour, "\n".join(words))
