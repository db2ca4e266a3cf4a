"""The few things about a row that filters, sorting and the funnel need; all else stays in its file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import Row
from dataflow.core.words import cut
from dataflow.view.shown import Shown

ACCEPTED, REJECTED, UNJUDGED, MADE = "accepted", "rejected", "unjudged", "made"
FAILED, DROPPED, SURPLUS, UNDRAWN = "failed", "dropped", "surplus", "undrawn"
OUTCOMES = (ACCEPTED, SURPLUS, MADE, UNJUDGED, REJECTED, UNDRAWN, DROPPED, FAILED)
"""What may have become of a row; "made": it has a result that nobody judged; "undrawn": no drawing was
fit to be edited."""
_OF_SIDES = {REJECTED: REJECTED, DROPPED: DROPPED, SURPLUS: SURPLUS, "rejected_drawings": UNDRAWN, "errors": FAILED}

_KEPT = (ACCEPTED, SURPLUS, MADE)

SEARCHED = 1000  # characters of a row's text that are searched
_LONGEST_NAME = 80  # columns, of what filters offer
_LARGEST = 1e12
_HAN = re.compile("[\u3400-\u9fff]")
_PARTICULAR = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*[/\\]\S*|\S*\d\S*""")


@dataclass(frozen=True, slots=True)
class Facts:
    """About one row.

    Args:
        outcome: one of OUTCOMES.
        operation: of the edit, as its row says.
        language: of the instruction.
        fault: why it is not accepted: "gate ...", "judge ..." with the lowest axis, or the failure's reason.
        score: 0 to 10, of its best edit; NaN: nobody gave one.
        lowest: number of the lowest axis of that edit; NaN likewise.
        cost: of all that was asked for it, in the currency; NaN: not known.
        changed: share of the picture that changed; NaN: nobody measured it.
        tries: edits that were made for it.
        text: what a search finds, in small letters.
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


def facts_of(row: Row, shown: Shown, *, side: str = "") -> Facts:
    """What is kept of a row.

    Args:
        row: of a step's file, or of a side output.
        shown: its columns.
        side: name of the side output; "": the step's own file.
    """
    verdicts = shown.verdicts(row)
    best = verdicts[0] if len(verdicts) == 1 else max(verdicts, key=_rank, default={})
    axes, reason = axes_of(best), str(row.get("reason") or "")
    instruction, operation = shown.said(row), cut(str(row.get("sub_type") or row.get("edit_type") or ""), _LONGEST_NAME)
    outcome, language = _outcome(row, shown, verdicts, side), row.get("language")
    said = f"{instruction[:SEARCHED]} {best.get('critique') or ''} {reason} {operation} {row.get('id') or ''}"
    return Facts(
        outcome,
        operation,
        cut(language, _LONGEST_NAME) if isinstance(language, str) else _language(instruction),
        "" if outcome in _KEPT else _fault(best, axes, reason),
        figure(best.get("score")),
        min(axes.values()) if axes else math.nan,
        _cost(verdicts),
        figure(_mapping(best.get("measures")).get("changed")),
        _tries(verdicts),
        said[:SEARCHED].casefold(),
    )


def figure(value: object) -> float:
    """A figure; NaN where it is none, or one that no judge and no gate gives."""
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else math.nan


def axes_of(verdict: Mapping[str, object]) -> dict[str, float]:
    """Name → 0 to 10, of the axes that are numbers."""
    axes = _mapping(verdict.get("axes"))
    return {name: number for name, at in axes.items() if not math.isnan(number := figure(at))}


def _rank(verdict: Mapping[str, object]) -> tuple[bool, bool, float]:
    score = figure(verdict.get("score"))
    return verdict.get("accepted") is True, not verdict.get("gate"), -1.0 if math.isnan(score) else score


def _outcome(row: Row, shown: Shown, verdicts: Sequence[Mapping[str, object]], side: str) -> str:
    if side in _OF_SIDES:
        return _OF_SIDES[side]
    if shown.edits and row.get(shown.edits) in ([], [""]):
        return FAILED
    if verdicts:
        if all(each["accepted"] is True for each in verdicts):
            return ACCEPTED
        return UNJUDGED if any(each["accepted"] is None for each in verdicts) else REJECTED
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
    return sum((figure(each.get("cost")) for each in verdicts), 0.0) if verdicts else math.nan


def _language(text: str) -> str:
    if not text:
        return ""
    return "en" if text.isascii() or not _HAN.search(text) else "zh"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
