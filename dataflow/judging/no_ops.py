"""No-ops: for one row in fifty the judge is also shown the source picture as if it were an edit of itself.

Canaries show before a run whether a judge sees the pictures. No-ops show during the whole run whether the judge accepts
edits that changed nothing. A no-op is asked in the wave of its row's own questions, and never without them: a step
whose rows are all answered asks nothing more. The verdicts on no-ops are counted, and stand in no row.
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
"""Names under which a summary counts no-ops, among the side outputs; no file has these names."""

EVERY = 50  # one row in so many has a no-op

_T = TypeVar("_T")


def with_no_op(
    parts: Sequence[Asking[_T]], judge: Judge, sources: Sequence[str], instruction: str
) -> Asking[tuple[list[_T], list[Side]]]:
    """Run the generators of a row, and ask about a no-op with the first wave that asks the judge.

    Args:
        parts: the generators of the row, which run side by side.
        judge: the judge; without canaries there are no no-ops.
        sources: paths of the row's source pictures; the first is shown as the edit.
        instruction: the instruction of the row.

    Returns:
        What the generators return, in their order, and the counts of the no-op as side outputs.
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
    """Whether a row has a no-op: one row in EVERY, by its instruction and the names of its picture files."""
    text = "\0".join([instruction, *(Path(path).name for path in sources)])
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest()) % EVERY == 0


def _counted(check: Asking[Verdict], answers: Sequence[Answer]) -> list[Side]:
    """Return the counts of a no-op; none if a request failed or the judge's answer could not be read."""
    try:
        check.send(answers)
    except StopIteration as stop:
        verdict: Verdict = stop.value
        if verdict.accepted is not None:
            return [Side(ASKED, {}), *([Side(ACCEPTED, {})] if verdict.accepted else [])]
    except AnswerError:
        pass
    return []
