"""Takes from a row the few facts that filters, sorting and the funnel need; all else stays in the row's file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import Row
from dataflow.core.words import cut
from dataflow.view.shown import ShownColumns

ACCEPTED, REJECTED, UNJUDGED, MADE = "accepted", "rejected", "unjudged", "made"
FAILED, DROPPED, SURPLUS, UNDRAWN = "failed", "dropped", "surplus", "undrawn"
OUTCOMES = (ACCEPTED, SURPLUS, MADE, UNJUDGED, REJECTED, UNDRAWN, DROPPED, FAILED)
"""The outcomes of a row. "made": it has a result that nobody judged. "unjudged": the judge's answer could not be read.
"undrawn": no drawing was fit to be edited. "surplus": accepted beyond the quota."""
_OUTCOME_OF_SIDE = {
    REJECTED: REJECTED,
    DROPPED: DROPPED,
    SURPLUS: SURPLUS,
    "rejected_drawings": UNDRAWN,
    "errors": FAILED,
}

_GOOD_OUTCOMES = (ACCEPTED, SURPLUS, MADE)

SEARCHED = 1000  # characters of a row's text that are searched
_LONGEST_NAME = 80  # columns of a name that filters offer
_LARGEST = 1e12  # no judge and no gate gives a larger number
_HAN = re.compile("[\u3400-\u9fff]")
_PARTICULAR = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*[/\\]\S*|\S*\d\S*""")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one row.

    Args:
        outcome: one of OUTCOMES.
        operation: of the edit, as the row names it.
        language: of the instruction, such as "en"; empty: there is no instruction.
        fault: why the row is not accepted: "gate: " and the gate, "judge: " and the lowest axis, or the reason of the
            failure without its names and numbers; empty: it is accepted.
        score: of the row's best edit, 0 to 10; NaN: nobody judged.
        lowest: number of the lowest axis of that edit, 0 to 10; NaN: nobody judged.
        cost: of all requests for the row, in the directory's currency; NaN: not known.
        changed: share of the picture that changed, 0 to 1; NaN: no gate measured it.
        tries: how many edits were made for the row.
        text: the text that a search looks through, in small letters.
    """

    outcome: str
    operation: str
    language: str
    fault: str
    score: float
    lowest: float
    cost: float
    changed: float
    tries: int
    text: str


def facts_of(row: Row, shown: ShownColumns, *, side: str = "") -> Facts:
    """Take the facts from a row, whatever its columns hold.

    Args:
        row: of a step's file, or of a side output.
        shown: names of the columns.
        side: name of the side output; "": the step's own file.
    """
    verdicts = shown.verdicts_of(row)
    best = verdicts[0] if len(verdicts) == 1 else max(verdicts, key=_rank, default={})
    axes, reason = axes_of(best), str(row.get("reason") or "")
    instruction, operation = (
        shown.instruction_of(row),
        cut(str(row.get("sub_type") or row.get("edit_type") or ""), _LONGEST_NAME),
    )
    outcome, language = _outcome(row, shown, verdicts, side), row.get("language")
    searched = f"{instruction[:SEARCHED]} {best.get('critique') or ''} {reason} {operation} {row.get('id') or ''}"
    return Facts(
        outcome,
        operation,
        cut(language, _LONGEST_NAME) if isinstance(language, str) else _language(instruction),
        "" if outcome in _GOOD_OUTCOMES else _fault(best, axes, reason),
        figure(best.get("score")),
        min(axes.values()) if axes else math.nan,
        _cost(verdicts),
        figure(_mapping(best.get("measures")).get("changed")),
        _tries(verdicts),
        searched[:SEARCHED].casefold(),
    )


def figure(value: object) -> float:
    """A number as a float; NaN for any other value, and for a number that no judge and no gate gives."""
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else math.nan


def axes_of(verdict: Mapping[str, object]) -> dict[str, float]:
    """Axis → its number, 0 to 10, of those axes of a verdict that are numbers."""
    axes = _mapping(verdict.get("axes"))
    return {name: number for name, value in axes.items() if not math.isnan(number := figure(value))}


def _rank(verdict: Mapping[str, object]) -> tuple[bool, bool, float]:
    score = figure(verdict.get("score"))
    return verdict.get("accepted") is True, not verdict.get("gate"), -1.0 if math.isnan(score) else score


def _outcome(row: Row, shown: ShownColumns, verdicts: Sequence[Mapping[str, object]], side: str) -> str:
    if side in _OUTCOME_OF_SIDE:
        return _OUTCOME_OF_SIDE[side]
    if shown.edits and row.get(shown.edits) in ([], [""]):
        return FAILED
    if verdicts:
        if all(verdict["accepted"] is True for verdict in verdicts):
            return ACCEPTED
        return UNJUDGED if any(verdict["accepted"] is None for verdict in verdicts) else REJECTED
    return MADE


def _fault(best: Mapping[str, object], axes: Mapping[str, float], reason: str) -> str:
    if gate := best.get("gate"):
        return cut(f"gate: {gate}", _LONGEST_NAME)
    if axes:
        return cut(f"judge: {min(axes, key=lambda name: axes[name])}", _LONGEST_NAME)
    return cut(_PARTICULAR.sub("…", reason[:SEARCHED]), _LONGEST_NAME)


def _tries(verdicts: Sequence[Mapping[str, object]]) -> int:
    if len(verdicts) == 1 and isinstance(tries := verdicts[0].get("tries"), int):
        return tries
    return len(verdicts)


def _cost(verdicts: Sequence[Mapping[str, object]]) -> float:
    return sum((figure(verdict.get("cost")) for verdict in verdicts), 0.0) if verdicts else math.nan


def _language(text: str) -> str:
    if not text:
        return ""
    return "en" if text.isascii() or not _HAN.search(text) else "zh"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
