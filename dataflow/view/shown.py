"""Which columns of a step's rows are looked at: before, instruction, after, verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dataflow.core.columns import prompts
from dataflow.errors import RowError
from dataflow.io.decode import EXTENSIONS
from dataflow.judging.verdict import CONDITION, VERDICT

_BEFORE = ("images", "input_image", "input_images", "image")
_AFTER = ("edited_images", "output_image", "edited_image", "output_images")
_SAID = ("conversations", "output_img_discript", "instruction", "input_text", "prompt")
_MASK = "mask"


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of columns; an empty one is not there.

    Args:
        images: of the pictures that an edit starts from.
        instruction: of the messages; the user's last one is shown.
        edits: of the results.
        verdict: of what a judge said of them.
        mask: of the mask.
    """

    images: str = ""
    instruction: str = ""
    edits: str = ""
    verdict: str = VERDICT
    mask: str = ""

    def said(self, row: Mapping[str, object]) -> str:
        """The instruction of a row; empty: there is none."""
        try:
            return prompts(row.get(self.instruction), self.instruction)[-1]
        except RowError:
            return ""

    def before(self, row: Mapping[str, object]) -> list[str]:
        """What the pictures are called that a row's edit starts from."""
        return names_of(row.get(self.images)) if self.images else []

    def after(self, row: Mapping[str, object]) -> list[str]:
        """What a row's edits are called."""
        return names_of(row.get(self.edits)) if self.edits else []

    def verdicts(self, row: Mapping[str, object]) -> list[Mapping[str, object]]:
        """One for each edit of a row, in order; an editor's refusal is among them and has no picture."""
        found = row.get(self.verdict)
        if isinstance(found, Mapping) and isinstance(found.get("verdicts"), list):  # of a pair
            found = found["verdicts"]
        each = found if isinstance(found, list) else [found]
        return [one for one in each if isinstance(one, Mapping) and "accepted" in one]


def names_of(value: object) -> list[str]:
    """The paths in a column, whatever else it may hold."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]


def find_shown(rows: Iterable[Mapping[str, object]], *, output: str = "", given: Shown | None = None) -> Shown:
    """Find the columns in some rows of a step.

    Args:
        rows: some of the first.
        output: the step's output column, as far as it is known.
        given: columns that are named; those that are empty there are found.
    """
    seen: dict[str, object] = {}
    for row in rows:
        for name, value in row.items():
            if not seen.get(name):
                seen[name] = value
    pictured = [name for name, value in seen.items() if _holds_pictures(value) and name != _MASK]
    verdict = VERDICT if VERDICT in seen or CONDITION not in seen else CONDITION
    found = Shown(
        edits=_edits(pictured, output, is_drawing=verdict == CONDITION),
        instruction=next((name for name in _SAID if name in seen), ""),
        verdict=verdict,
        mask=_MASK if seen.get(_MASK) else "",
    )
    others = [name for name in pictured if name != found.edits]
    found = replace(found, images=next((name for name in _BEFORE if name in others), next(iter(others), "")))
    if given is None:
        return found
    named = {name: value for name in Shown.__slots__ if (value := getattr(given, name)) and name != "verdict"}
    return replace(found, **named, verdict=given.verdict if given.verdict != VERDICT else verdict)


def _edits(pictured: list[str], output: str, *, is_drawing: bool) -> str:
    """Of the columns with pictures the one that holds results."""
    if output in pictured:
        return output
    known = [name for name in _AFTER if name in pictured]
    further = [name for name in pictured if name not in _BEFORE]
    if known or further:
        return known[0] if known else further[-1]
    return pictured[-1] if pictured and (is_drawing or len(pictured) > 1) else ""


def _holds_pictures(value: object) -> bool:
    names = names_of(value)
    return bool(names) and all(name.lower().endswith(EXTENSIONS) for name in names)
