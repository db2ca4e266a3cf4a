"""No-ops in the stream: of one row in fifty the judge is shown the source beside itself, as if it were the edit.

Canaries tell at the start whether a judge sees; this tells over a whole run whether it accepts edits that changed
nothing. It is asked along with what its row asks, and never for itself: a step whose rows are answered asks nothing
more. What it says is counted and stands in no row.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dataflow.core.records import Answer, Request, Side
from dataflow.core.worker import JUDGE
from dataflow.errors import AnswerError
from dataflow.judging.judge import Judge
from dataflow.judging.rubric import Kind
from dataflow.judging.together import Asking, together
from dataflow.judging.verdict import Verdict

ASKED, ACCEPTED = "no-ops judged", "no-ops accepted"
COUNTED = (ASKED, ACCEPTED)
"""Under these names a summary counts among the side outputs; none is a file."""

EVERY = 50  # rows

_T = TypeVar("_T")


def with_no_op(
    parts: Sequence[Asking[_T]], judge: Judge, sources: Sequence[str], instruction: str
) -> Asking[tuple[list[_T], list[Side]]]:
    """What a row's generators return, and what to count of the no-op that was judged beside them.

    Args:
        parts: the row's; the no-op goes with the first that they ask the judge, if the row is one of those chosen.
        judge: without canaries no row is chosen.
        sources: paths of its pictures, of which the first is shown.
        instruction: the row's.
    """
    asking, check = together(parts), None
    compared = judge.rubric.axes_of_both(Kind())
    if judge.canaries and compared and is_chosen(sources, instruction):
        check = judge.judge(sources, sources[0], instruction, Kind(), only=compared)
    counted: list[Side] = []
    answers: Sequence[Answer] | None = None
    while True:
        try:
            wave = next(asking) if answers is None else asking.send(answers)
        except StopIteration as stop:
            return stop.value, counted
        beside: list[Request] = []
        if check is not None and any(request.worker == JUDGE for request in wave):
            beside = [replace(request, along=True) for request in next(check)]
        answers = yield [*wave, *beside]
        if beside and check is not None:
            counted, check = _counted(check, answers[len(wave) :]), None
            answers = answers[: len(wave)]


def is_chosen(sources: Sequence[str], instruction: str) -> bool:
    """Whether a row is one in EVERY; it follows from its words and the names of its pictures, wherever they lie."""
    said = "\0".join([instruction, *(Path(path).name for path in sources)])
    return int.from_bytes(hashlib.blake2b(said.encode(errors="replace"), digest_size=8).digest()) % EVERY == 0


def _counted(check: Asking[Verdict], answers: Sequence[Answer]) -> list[Side]:
    """What the judge made of it; nothing where it was not asked, or its answer could not be read."""
    try:
        check.send(answers)
    except StopIteration as stop:
        verdict: Verdict = stop.value
        if verdict.accepted is not None:
            return [Side(ASKED, {}), *([Side(ACCEPTED, {})] if verdict.accepted else [])]
    except AnswerError:
        pass
    return []
