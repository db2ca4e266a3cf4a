"""The types of a table's columns, and the same as an Arrow type, as Hugging Face's features and as the card's YAML.

The features of a column of lists are written as `[feature]`, which every release of datasets reads. Releases before 4,
to which several trainers are bound, do not know "List"; and "Sequence" turns a list of dicts into a dict of lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dataflow.core.records import JSON
from dataflow.errors import ConfigError

Kind = Literal["text", "whole", "number", "truth", "bytes", "image"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any number of values, all of the shape `of`."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Struct:
    """Values by name, each of its own shape."""

    fields: Mapping[str, "Shape"]


Shape = Kind | ListOf | Struct
"""What a column holds. An "image" is `{"bytes": the picture file, "path": its name}`, which Hugging Face opens as a
picture."""

_DTYPES: Mapping[Kind, str] = {
    "text": "string",
    "whole": "int64",
    "number": "float64",
    "truth": "bool",
    "bytes": "binary",
    "image": "image",
}


def pyarrow() -> Any:
    """Import pyarrow and its module for parquet.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("parquet needs pyarrow: pip install 'dataflow-mm[parquet]'") from None
    return pyarrow


def arrow_type(shape: Shape) -> Any:
    """The Arrow type of a column."""
    pa = pyarrow()
    if isinstance(shape, ListOf):
        return pa.list_(arrow_type(shape.of))
    if isinstance(shape, Struct):
        return pa.struct([pa.field(name, arrow_type(inner)) for name, inner in shape.fields.items()])
    if shape == "image":
        return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    return getattr(pa, {"number": "float64", "truth": "bool_"}.get(shape, _DTYPES[shape]))()


def feature_of(shape: Shape) -> JSON:
    """A column's feature, in the form that Hugging Face's `Features` write into the metadata of an Arrow schema."""
    if isinstance(shape, ListOf):
        return [feature_of(shape.of)]
    if isinstance(shape, Struct):
        return {name: feature_of(inner) for name, inner in shape.fields.items()}
    return {"_type": "Image"} if shape == "image" else {"dtype": _DTYPES[shape], "_type": "Value"}


def yaml_of(columns: Struct) -> list[JSON]:
    """The columns in the form of `features` in the YAML of a data set's card."""
    return [{"name": name, **_yaml_of(inner)} for name, inner in columns.fields.items()]


def _yaml_of(shape: Shape) -> dict[str, JSON]:
    if isinstance(shape, Struct):
        return {"struct": yaml_of(shape)}
    if not isinstance(shape, ListOf):
        return {"dtype": _DTYPES[shape]}
    (kind, inner), *_ = _yaml_of(shape.of).items()
    return {"list": inner if kind in ("dtype", "struct") else {kind: inner}}


def leaves(shape: Shape, name: str) -> list[tuple[str, Shape]]:
    """The flat columns of a parquet file that hold a column's values: path in the file, and shape.

    Args:
        shape: of the column.
        name: of the column.
    """
    if isinstance(shape, ListOf):
        return leaves(shape.of, f"{name}.list.element")
    if isinstance(shape, Struct):
        return [leaf for field, inner in shape.fields.items() for leaf in leaves(inner, f"{name}.{field}")]
    return [(f"{name}.bytes", "bytes"), (f"{name}.path", "text")] if shape == "image" else [(name, shape)]
