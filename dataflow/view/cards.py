"""Makes of a row the values that the page gets: a picture is named by its row and number, and never by its path."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dataflow.core.records import JSON, Row
from dataflow.errors import DataflowError, UnfitAnswer
from dataflow.gates.measured import read_measures
from dataflow.judging.rewording import FAULTS
from dataflow.judging.tries import REFUSED
from dataflow.utils.row_json import dump_value
from dataflow.view.catalogue import Catalogue, Place
from dataflow.view.facts import FAILED, axes_of, facts_of, figure

BEFORE, AFTER, MASK = "before", "after", "mask"
_LONGEST = 20_000  # characters of a text that are sent
_PICTURES = 16  # pictures of a row that are sent
_NOT_ALWAYS = ("sharpness", "outside")  # measures of gates that may be missing

ByHand = Callable[[str], str]
"""Path of an edit → the decision by hand: "accept", "reject", or "" if nobody decided."""


def undecided(_: str) -> str:
    """A `ByHand` for readers without a labels file: nobody decided."""
    return ""


def card_of(catalogue: Catalogue, place: Place, by_hand: ByHand = undecided) -> Row:
    """The values of a row's card: its outcome, instruction, scores, reason, and numbers of pictures.

    The card of a row that cannot be read has the error as its reason.

    Args:
        catalogue: of the step.
        place: of the row.
        by_hand: the decisions by hand.

    Raises:
        LookupError: there is no such row.
    """
    index = catalogue.index(place.file)
    shown = index.shown
    try:
        row = index.row(place.line)
    except DataflowError as error:
        return {"place": str(place), "outcome": FAILED, "reason": str(error), "before": 0, "after": [], "mask": 0}
    reason = row if row.get("reason") else catalogue.reason_of(place)
    facts = facts_of(row, shown, side=index.side)
    verdicts = [verdict for verdict in shown.verdicts_of(row) if verdict.get("gate") != REFUSED]
    edits = shown.edits_of(row)[:_PICTURES]
    return {
        "place": str(place),
        "outcome": facts.outcome,
        "instruction": shown.instruction_of(row)[:_LONGEST],
        "operation": facts.operation,
        "language": facts.language,
        "score": _known(facts.score),
        "cost": _known(facts.cost),
        "tries": facts.tries,
        "fault": facts.fault,
        "reason": str(reason.get("reason") or _refusal(shown.verdicts_of(row)))[:_LONGEST],
        "before": min(len(shown.inputs_of(row)), _PICTURES),
        "mask": int(bool(shown.mask and row.get(shown.mask))),
        "after": [_edit(place, number, verdicts) | {"hand": by_hand(edit)} for number, edit in enumerate(edits)],
    }


def detail_of(catalogue: Catalogue, place: Place, by_hand: ByHand = undecided) -> Row:
    """All that is known of a row: its card, every edit that was made for it, its origin, and the whole row as JSON.

    Raises:
        LookupError: there is no such row.
        InputError: the row cannot be read.
    """
    row, card = catalogue.row(place), card_of(catalogue, place, by_hand)
    return {
        **card,
        "edits": _edits(catalogue, row, card, by_hand),
        "made": _origin(catalogue, row),
        "row": _as_text(row),
        "said": str(catalogue.reason_of(place).get("said") or "")[:_LONGEST],
    }


def picture_at(catalogue: Catalogue, place: Place, role: str, number: int) -> Path:
    """The file of one of the pictures that a row names.

    Args:
        catalogue: of the step.
        place: of the row.
        role: BEFORE, AFTER or MASK.
        number: of the picture among those of its role, from 0.

    Raises:
        LookupError: there is no such row or picture.
        InputError: the row cannot be read.
        RowError: the picture's path leads nowhere.
    """
    row, shown = catalogue.row(place), catalogue.index(place.file).shown
    mask = row.get(shown.mask) if shown.mask else None
    names = {BEFORE: shown.inputs_of(row), AFTER: shown.edits_of(row), MASK: [mask] if isinstance(mask, str) else []}
    if role not in names or not 0 <= number < len(names[role]):
        raise LookupError(f"{place} has no picture {role} {number}")
    return Path(catalogue.rules.resolve(str(names[role][number])))


def _edits(catalogue: Catalogue, row: Row, card: Row, by_hand: ByHand) -> list[JSON]:
    """The values of all edits that were made for a row: those of its tries if a side output has them, else its own."""
    own = catalogue.shown.edits_of(row)
    found: list[JSON] = []
    for try_place in catalogue.tries_of(row):
        tried = card_of(catalogue, try_place, by_hand)
        for edit in tried["after"]:
            name = catalogue.shown.edits_of(catalogue.row(try_place))[edit["number"]]
            found.append({**edit, "chosen": name in own and card["outcome"] not in ("rejected", "failed")})
    return found if len(found) >= len(own) else card["after"]


def _edit(place: Place, number: int, verdicts: Sequence[Mapping[str, object]]) -> Row:
    verdict = verdicts[number] if number < len(verdicts) else verdicts[0] if len(verdicts) == 1 else {}
    gate = str(verdict.get("gate") or "")
    return {
        "place": str(place),
        "number": number,
        "accepted": accepted if isinstance(accepted := verdict.get("accepted"), bool) else None,
        "score": _known(figure(verdict.get("score"))),
        "axes": axes_of(verdict),
        "critique": str(verdict.get("critique") or "")[:_LONGEST],
        "gate": gate,
        "fault": FAULTS.get(gate, "not passed") if gate else "",
        "measures": _measures(verdict.get("measures")),
        "prompt": str(verdict.get("prompt") or "")[:_LONGEST],
        "try": _known(figure(verdict.get("try"))),
        "candidate": _known(figure(verdict.get("candidate"))),
    }


def _measures(value: object) -> JSON:
    """The measures of gates; None if a measure is missing or is no number."""
    try:
        found = asdict(read_measures(dump_value(value).decode()))
    except (UnfitAnswer, TypeError, RecursionError):
        return None
    figures = [
        number
        for name, measure in found.items()
        if name not in _NOT_ALWAYS or measure is not None
        for number in _listed(measure)
    ]
    return None if any(math.isnan(figure(number)) for number in figures) else found


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple) else (value,)


def _as_text(row: Row) -> str:
    """The whole row as JSON, with all digits of its numbers."""
    try:
        return json.dumps(row, ensure_ascii=False, indent=1)
    except RecursionError:
        return "this row is nested too deeply to be shown"


def _origin(catalogue: Catalogue, row: Row) -> list[JSON]:
    """Names and values that say where a row comes from, the most useful first: models, request, ids, digests."""
    verdict: Mapping[str, object] = next(iter(catalogue.shown.verdicts_of(row)), {})
    found: list[tuple[str, object]] = []
    for name, made in _mapping(catalogue.meta.get("made_by")).items():
        model = _mapping(made).get("model") or ", ".join(_mapping(_mapping(made).get("answered_by")))
        found.append((name, _model_name(str(model or ""))))
    for edit in catalogue.shown.edits_of(row)[:1]:
        request, _, number = Path(edit).stem.rpartition("_")
        if len(request) == 32 and number.isdecimal():  # the file is named after its request
            found.append(("request", request))
    found += [(name, row.get(name)) for name in ("id", "parent_id", "relation", "source", "licence", "style")]
    found += [("judge digest", verdict.get("judge")), ("rubric digest", verdict.get("rubric"))]
    return [[name, str(value)] for name, value in found if value not in (None, "", [], {})]


def _model_name(model: str) -> str:
    """A model's name: on a hub, or of its folder."""
    return Path(model).name if model.startswith("/") else model


def _refusal(verdicts: Sequence[Mapping[str, object]]) -> str:
    refused = [verdict for verdict in verdicts if verdict.get("gate") == REFUSED]
    return f"the editor refused: {refused[-1].get('critique') or ''}" if refused else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _known(number: float) -> float | None:
    return None if math.isnan(number) else round(number, 6)
