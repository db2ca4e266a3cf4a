"""The columns of a table beside its pictures: words, verdict, licence, and who made each picture.

Exports differ in the axes of their verdicts and in whether records have masks, and all files of one table have the same
columns. So `facts_of` reads all records once before a table is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from dataflow.core.records import Row
from dataflow.export.columns import ListOf, Shape, Struct
from dataflow.export.records import Image, Record

MADE_BY = Struct(
    {
        "request": "text",
        "asked": "text",
        "answered": "text",
        "provider": "text",
        "revision": "text",
        "licence": "text",
        "seed": "whole",
        "source_type": "text",
    }
)
"""The fields of `dataflow.export.records.MadeBy`."""

_WORDS: Mapping[str, Shape] = {
    "instruction": "text",
    "captions": ListOf(Struct({"text": "text", "language": "text", "length": "text"})),
    "roles": ListOf("text"),
}
_KNOWN: Mapping[str, Shape] = {
    "edit_type": "text",
    "sub_type": "text",
    "accepted": "truth",
    "score": "number",
    "verdict": "text",
    "licence": "text",
    "credit": "text",
    "parent_id": "text",
    "relation": "text",
    "width": "whole",
    "height": "whole",
}
_MAKERS: Mapping[str, Shape] = {"images_by": ListOf(MADE_BY), "edited_image_by": MADE_BY}


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns of one table.

    Args:
        axes: names of all axes of the verdicts, sorted.
        has_masks: whether some record has a mask.
    """

    axes: tuple[str, ...] = ()
    has_masks: bool = False

    @property
    def columns(self) -> Struct:
        """Column → its shape."""
        axes: dict[str, Shape] = {"axes": Struct(dict.fromkeys(self.axes, "number"))} if self.axes else {}
        return Struct({"id": "text", **_WORDS, **_KNOWN, **axes, **_MAKERS})

    def of(self, record: Record) -> Row:
        """Column → its value for a record; None where it is not known."""
        axes = record.axes
        width, height = record.edited.shape
        found: Row = {
            "id": record.id,
            "instruction": record.instruction,
            "captions": [
                {"text": caption.text, "language": caption.language, "length": caption.length}
                for caption in record.captions
            ],
            "roles": [*record.roles],
            "accepted": record.accepted,
            "score": record.score,
            "verdict": orjson.dumps(record.verdict).decode() if record.verdict else "",
            "width": width,
            "height": height,
            "images_by": [_made_by(image) for image in record.images],
            "edited_image_by": _made_by(record.edited),
        }
        if self.axes:
            found["axes"] = {name: _number(axes.get(name)) for name in self.axes}
        return found | {name: getattr(record, name) for name in _KNOWN if name not in found}


def facts_of(records: Iterable[Record]) -> Facts:
    """The columns that a table of these records needs; reads them all."""
    axes: set[str] = set()
    has_masks = False
    for record in records:
        axes.update(record.axes)
        has_masks |= record.mask is not None
    return Facts(tuple(sorted(axes)), has_masks)


def _made_by(image: Image) -> Row:
    by = image.by  # dataclasses.asdict takes four times as long
    return {name: getattr(by, name) for name in MADE_BY.fields}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def without_nulls(value: object, shape: Shape) -> object:
    """The value without a null: -1 replaces a missing number, "" a missing text, and 1 and 0 replace true and false.

    It is for formats whose readers take the type of a column from the first samples, where a null has none.

    Args:
        value: as `Facts.of` gives it.
        shape: of the value.
    """
    if isinstance(shape, ListOf):
        return [without_nulls(item, shape.of) for item in cast(list[object], value)]
    if isinstance(shape, Struct):
        values = cast(Row, value)
        return {name: without_nulls(values.get(name), inner) for name, inner in shape.fields.items()}
    if shape in ("whole", "truth"):
        return -1 if value is None else int(cast(int, value))
    if shape == "number":
        return -1.0 if value is None else value
    return "" if value is None else value
