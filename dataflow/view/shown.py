"""Finds the columns of a step's rows that are shown: input pictures, instruction, edits, verdict, mask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dataflow.core.columns import prompts
from dataflow.errors import RowError
from dataflow.io.decode import EXTENSIONS
from dataflow.judging.verdict import CONDITION, VERDICT

_INPUT_NAMES = ("images", "input_image", "input_images", "image")
_EDIT_NAMES = ("edited_images", "output_image", "edited_image", "output_images")
_INSTRUCTION_NAMES = ("conversations", "output_img_discript", "instruction", "input_text", "prompt")
_MASK = "mask"


@dataclass(frozen=True, slots=True)
class ShownColumns:
    """The names of the columns that are shown; empty: the rows have no such column.

    Args:
        images: column of the pictures that an edit starts from.
        instruction: column of the instruction, or of messages, of which the user's last one is shown.
        edits: column of the results.
        verdict: column of the verdicts on the results.
        mask: column of the mask.
    """

    images: str = ""
    instruction: str = ""
    edits: str = ""
    verdict: str = VERDICT
    mask: str = ""

    def instruction_of(self, row: Mapping[str, object]) -> str:
        """The instruction of a row; empty if the row has none."""
        try:
            return prompts(row.get(self.instruction), self.instruction)[-1]
        except RowError:
            return ""

    def inputs_of(self, row: Mapping[str, object]) -> list[str]:
        """The paths of a row's input pictures, as the row spells them."""
        return names_of(row.get(self.images)) if self.images else []

    def edits_of(self, row: Mapping[str, object]) -> list[str]:
        """The paths of a row's edits, as the row spells them."""
        return names_of(row.get(self.edits)) if self.edits else []

    def verdicts_of(self, row: Mapping[str, object]) -> list[Mapping[str, object]]:
        """The verdicts of a row, one for each edit, in order; a refusal of the editor has one, too, and no edit."""
        found = row.get(self.verdict)
        if isinstance(found, Mapping) and isinstance(found.get("verdicts"), list):  # of a pair
            found = found["verdicts"]
        verdicts = found if isinstance(found, list) else [found]
        return [verdict for verdict in verdicts if isinstance(verdict, Mapping) and "accepted" in verdict]


def names_of(value: object) -> list[str]:
    """The non-empty texts in a column's value, a text or a list; they are paths where the column has pictures."""
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str) and name]


def find_columns(
    rows: Iterable[Mapping[str, object]], *, output: str = "", given: ShownColumns | None = None
) -> ShownColumns:
    """Find the columns that are shown in the first rows of a step.

    Args:
        rows: some of the first rows.
        output: the step's output column; empty: not known.
        given: columns that the user named; those that are empty in it are found. None: all are found.
    """
    seen: dict[str, object] = {}
    for row in rows:
        for name, value in row.items():
            if not seen.get(name):
                seen[name] = value
    pictured = [name for name, value in seen.items() if _holds_pictures(value) and name != _MASK]
    verdict = VERDICT if VERDICT in seen or CONDITION not in seen else CONDITION
    found = ShownColumns(
        edits=_edits(pictured, output, is_drawing=verdict == CONDITION),
        instruction=next((name for name in _INSTRUCTION_NAMES if name in seen), ""),
        verdict=verdict,
        mask=_MASK if seen.get(_MASK) else "",
    )
    inputs = [name for name in pictured if name != found.edits]
    found = replace(found, images=next((name for name in _INPUT_NAMES if name in inputs), next(iter(inputs), "")))
    if given is None:
        return found
    named = {name: value for name in ShownColumns.__slots__ if (value := getattr(given, name)) and name != "verdict"}
    return replace(found, **named, verdict=given.verdict if given.verdict != VERDICT else verdict)


def _edits(pictured: list[str], output: str, *, is_drawing: bool) -> str:
    """The column of the results among the columns with pictures; empty if there is none."""
    if output in pictured:
        return output
    known = [name for name in _EDIT_NAMES if name in pictured]
    further = [name for name in pictured if name not in _INPUT_NAMES]
    if known or further:
        return known[0] if known else further[-1]
    return pictured[-1] if pictured and (is_drawing or len(pictured) > 1) else ""


def _holds_pictures(value: object) -> bool:
    names = names_of(value)
    return bool(names) and all(name.lower().endswith(EXTENSIONS) for name in names)
