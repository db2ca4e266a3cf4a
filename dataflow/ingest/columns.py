"""Reads `--columns images=source_image,instruction=edit.text`: which fields of a record become which columns of a row.

A field is a path of names with dots between them. `[0]` or `[-1]` picks an element of a list; a name behind a list
picks that field of each element. A name that has dots itself, such as `input.png`, is tried first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.columns import prompts
from dataflow.core.records import Row
from dataflow.errors import ConfigError, RowError
from dataflow.ingest.records import Shape

IMAGES, EDITED, MASK, CONVERSATIONS = "images", "edited_images", "mask", "conversations"
PICTURES = (IMAGES, EDITED, MASK)
_TARGETS = {
    "edited": EDITED,
    "edited_image": EDITED,
    "image": IMAGES,
    "instruction": CONVERSATIONS,
    "license": "licence",
}
"""Name that users may write → the column that operators and exports read."""
_SHOWN_AS = {EDITED: "edited", CONVERSATIONS: "instruction"}
_CARRIED = {"licence": ("licence", "license"), "credit": ("credit", "attribution", "author")}
"""Column that is imported unasked → the names that publishers give the field."""
_SUGGESTED = {
    "images": (
        "images",
        "image",
        "source_image",
        "input_image",
        "input_images",
        "source",
        "source_img",
        "original_image",
    ),
    "instruction": ("conversations", "instruction", "edit_instruction", "edit_prompt", "prompt", "instruction_english"),
    "edited": (
        "edited_images",
        "edited_image",
        "target_image",
        "output_image",
        "output_images",
        "target",
        "target_img",
    ),
    "caption": ("caption", "text"),
}
_MARK = "<image>"
_NAMED = 40  # fields that an error names
_INDEX = re.compile(r"\[(-?\d+)\]\.?")


@dataclass(frozen=True, slots=True)
class Columns:
    """The field from which each column of a row is taken.

    Args:
        pairs: (column, path) pairs; a column of pictures may repeat, and its pictures keep this order.
    """

    pairs: tuple[tuple[str, str], ...]

    def names(self, shape: Shape) -> frozenset[str]:
        """The top-level fields that the paths begin with."""
        top = shape if isinstance(shape, Mapping) else {}
        return frozenset(next(_keys(top, path), path) for _, path in self.pairs)

    def with_carried(self, shape: Shape) -> "Columns":
        """These columns, with licence and credit of the pictures where the source has them and no column names them."""
        top = shape if isinstance(shape, Mapping) else {}
        asked = {column for column, _ in self.pairs}
        found = [
            (column, name)
            for column, names in _CARRIED.items()
            if column not in asked
            for name in [next((each for each in names if each in top), None)]
            if name is not None and top[name] != "picture"
        ]
        return Columns((*self.pairs, *found))

    def check(self, shape: Shape, source: str) -> None:
        """Check that the source has all fields.

        Args:
            shape: of the source's records.
            source: name of the source, for the error.

        Raises:
            ConfigError: a field is missing (the message lists the fields), or a picture is given to a column of text.
        """
        for column, path in self.pairs:
            name = _SHOWN_AS.get(column, column)
            try:
                found = pick(shape, path, whole=True)
            except RowError as error:
                raise ConfigError(f"--columns {name}={path}: {source} {error}; it has {_list_fields(shape)}") from None
            if found == "picture" and column not in PICTURES:
                raise ConfigError(f"--columns {name}={path}: `{path}` is a picture: images, edited or mask takes one")

    def values(self, fields: Mapping[str, object]) -> tuple[dict[str, list[object]], Row]:
        """Pick the fields of a record: those of the columns of pictures, and the other columns.

        Raises:
            RowError: a path leads into a text or number, or an instruction is no text.
        """
        pictures: dict[str, list[object]] = {}
        others: Row = {}
        for column, path in self.pairs:
            value = pick(fields, path)
            if column in PICTURES:
                pictures.setdefault(column, []).append(value)
            elif column == CONVERSATIONS:
                others[column] = _conversation(value, path)
            else:
                others[column] = value
        return pictures, others


def read_columns(text: str) -> Columns:
    """Parse the value of `--columns`.

    Raises:
        ConfigError: the value has another form, or names a column twice.
    """
    pairs: list[tuple[str, str]] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, path = (each.strip() for each in part.partition("="))
        if not name or not path:
            raise ConfigError(f"--columns {part}: say column=field, such as images=source_image,instruction=prompt")
        column = _TARGETS.get(name, name)
        if column not in (IMAGES, EDITED) and column in dict(pairs):
            raise ConfigError(f"--columns: `{name}` is given twice; only images and edited may be")
        pairs.append((column, path))
    return Columns(tuple(pairs))


def suggest(shape: Shape, source: str) -> ConfigError:
    """The error for an import without `--columns`, which suggests columns by the names of the fields."""
    top = shape if isinstance(shape, Mapping) else {}
    guessed = [
        f"{target}={name}"
        for target, names in _SUGGESTED.items()
        for name in [next((each for each in names if each in top), None)]
        if name is not None
    ]
    example = ",".join(guessed) if guessed else "images=FIELD,instruction=FIELD"
    return ConfigError(
        f"say which fields become which columns, such as --columns {example}; {source} has {_list_fields(shape)}"
    )


def pick(value: Any, path: str, *, whole: bool = False) -> Any:
    """The value at a path of a record; None where the record lacks it.

    Args:
        value: a record's fields, or a shape.
        path: in the form that this module's docstring describes.
        whole: `value` is a shape, so a field that it lacks is in no record.

    Raises:
        RowError: the path leads nowhere.
    """
    if not path or value is None:
        return value
    if isinstance(value, Mapping):
        name = next(_keys(value, path), None)
        if name is None and whole:
            raise RowError(f"has no field `{path}`")
        return None if name is None else pick(value[name], path[len(name) :].removeprefix("."), whole=whole)
    if isinstance(value, list | tuple):
        if (index_in_path := _INDEX.match(path)) is None:
            return [pick(each, path, whole=whole) for each in value]
        index = 0 if whole else int(index_in_path[1])  # a shape has one element for all elements of a list
        return (
            pick(value[index], path[index_in_path.end() :], whole=whole) if -len(value) <= index < len(value) else None
        )
    raise RowError(f"has no `{path}` in a value that is no object")


def _keys(fields: Mapping[str, object], path: str) -> Any:
    """The names of fields with which a path begins, the longest first."""
    ends = [len(path), *(at for at in range(len(path) - 1, 0, -1) if path[at] in ".[")]
    return (path[:end] for end in ends if path[:end] in fields)


def _conversation(value: object, path: str) -> object:
    """An instruction in the form that operators read: a text becomes one message, and messages stay messages.

    Raises:
        RowError: there is no text.
    """
    if isinstance(value, str):
        if not value.strip():
            raise RowError(f"`{path}` is empty: there is no instruction")
        return [{"role": "user", "content": value}]
    if value is None:
        raise RowError(f"`{path}` is null: there is no instruction")
    prompts(value, path)
    return [_without_marks(each) for each in value] if isinstance(value, list) else value


def _without_marks(message: object) -> object:
    """A message without the `<image>` that stands where a chat template puts a picture.

    Source: https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md
    """
    if not isinstance(message, Mapping):
        return message
    texts = {name: text for name, text in message.items() if name in ("content", "value") and isinstance(text, str)}
    return {**message, **{name: text.replace(_MARK, "").strip() for name, text in texts.items() if _MARK in text}}


def _list_fields(shape: Shape) -> str:
    """The names of the fields of a shape, in one line."""
    found = list(_leaves(shape))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (", ".join(found[:_NAMED]) or "no fields") + more


def _leaves(shape: Shape, name: str = "") -> Any:
    if (
        isinstance(shape, Mapping) and shape and shape.keys() != {"bytes", "path"}
    ):  # Hugging Face's form of a picture is one field
        for each, inner in shape.items():
            yield from _leaves(inner, f"{name}.{each}" if name else each)
    elif isinstance(shape, list) and shape and isinstance(shape[0], Mapping):
        yield from _leaves(shape[0], f"{name}[]")
    else:
        yield name
