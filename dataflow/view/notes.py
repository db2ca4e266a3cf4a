"""Says in a few lines what gates and judge made of each edit, for the contact sheet."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.judging.rewording import FAULTS
from dataflow.judging.tries import REFUSED
from dataflow.view.cell import QUIET

_HEADS = {True: ("accepted", "#2c7a3f"), False: ("rejected", "#a8321f"), None: ("unjudged", QUIET)}


@dataclass(frozen=True, slots=True)
class Note:
    """The verdict on one edit as text: a head such as "accepted, score 9.0" with its colour, and the reasons."""

    head: str
    colour: str
    words: str


def notes_of(verdict: object, instruction: str) -> list[Note]:
    """The notes of a row's results, in order; empty if nobody judged.

    Args:
        verdict: value of the verdict's column: the verdict of one edit, a list of verdicts, or the verdict of a pair.
        instruction: of the row; a note names the prompt of a try only if the prompt differs from it.
    """
    if isinstance(verdict, Mapping) and isinstance(verdict.get("verdicts"), list):
        verdict = verdict["verdicts"]
    found = verdict if isinstance(verdict, list) else [verdict]
    shown = [verdict for verdict in found if isinstance(verdict, Mapping) and "accepted" in verdict]
    return [_note(verdict, instruction) for verdict in shown if verdict.get("gate") != REFUSED]


def refusal_of(verdict: object) -> str:
    """Why the editor refused the last edit; empty if it did not refuse."""
    last = verdict[-1] if isinstance(verdict, list) and verdict else verdict
    is_refused = isinstance(last, Mapping) and last.get("gate") == REFUSED
    return f"the editor refused: {last.get('critique', '')}" if is_refused and isinstance(last, Mapping) else ""


def _note(verdict: Mapping[str, object], instruction: str) -> Note:
    accepted, axes, gate = verdict["accepted"], verdict.get("axes"), verdict.get("gate")
    head, colour = _HEADS[accepted if isinstance(accepted, bool) else None]
    try_index = verdict.get("try")
    number = try_index + 1 if isinstance(try_index, int) else verdict.get("tries")
    head += f" at try {number}" if number else ""
    score = verdict.get("score")
    head += f", score {score:.1f}" if isinstance(score, int | float) else ""
    words = [f"gate {gate}: {FAULTS.get(str(gate), 'not passed')}"] if gate else []
    if isinstance(axes, Mapping):
        numbers = [(name, number) for name, number in axes.items() if isinstance(number, int | float)]
        words.append(", ".join(f"{name} {number:g}" for name, number in numbers))
    if verdict.get("critique"):
        words.append(str(verdict["critique"]))
    if verdict.get("prompt") not in (None, instruction):  # comes last: it may hold an earlier critique, and be cut off
        words.append(f"asked: {verdict['prompt']}")
    return Note(head, colour, "\n".join(words))
