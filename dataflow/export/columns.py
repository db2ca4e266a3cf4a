"""Columns of tables: what each holds, said once for Arrow, for Hugging Face's features and for the card's YAML.

A column that holds lists is told as `[of]`, which every release of datasets reads: "List" is unknown to those before 4,
which several trainers are bound to, and "Sequence" makes a dict of lists of a list of dicts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dataflow.core.records import JSON
from dataflow.errors import ConfigError

Kind = Literal["text", "whole", "number", "truth", "bytes", "image"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """Values of one shape, any number of them."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Struct:
    """Values with names."""

    fields: Mapping[str, "Shape"]


Shape = Kind | ListOf | Struct
"""What a column holds. "image" is `{"bytes": a picture file, "path": its name}`, a picture to
Hugging Face."""

_DTYPES: Mapping[Kind, str] = {
    "text": "string",
    "whole": "int64",
    "number": "float64",
    "truth": "bool",
    "bytes": "binary",
    "image": "image",
}


def pyarrow() -> Any:
    """The library that writes parquet, its module for parquet loaded.

    Raises:
        ConfigError: it is not installed.
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
        return pa.struct([pa.field(name, arrow_type(each)) for name, each in shape.fields.items()])
    if shape == "image":
        return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    return getattr(pa, {"number": "float64", "truth": "bool_"}.get(shape, _DTYPES[shape]))()


def feature_of(shape: Shape) -> JSON:
    """A column as Hugging Face's `Features` write it into the metadata of an Arrow schema."""
    if isinstance(shape, ListOf):
        return [feature_of(shape.of)]
    if isinstance(shape, Struct):
        return {name: feature_of(each) for name, each in shape.fields.items()}
    return {"_type": "Image"} if shape == "image" else {"dtype": _DTYPES[shape], "_type": "Value"}


def yaml_of(columns: Struct) -> list[JSON]:
    """Columns as `features` in the YAML of a data set's card."""
    return [{"name": name, **_yaml_of(each)} for name, each in columns.fields.items()]


def _yaml_of(shape: Shape) -> dict[str, JSON]:
    if isinstance(shape, Struct):
        return {"struct": yaml_of(shape)}
    if not isinstance(shape, ListOf):
        return {"dtype": _DTYPES[shape]}
    (kind, inner), *_ = _yaml_of(shape.of).items()
    return {"list": inner if kind in ("dtype", "struct") else {kind: inner}}


def leaves(shape: Shape, name: str) -> list[tuple[str, Shape]]:
    """The columns of a parquet file that hold a column's values, by their paths there, and what each holds."""
    if isinstance(shape, ListOf):
        return leaves(shape.of, f"{name}.list.element")
    if isinstance(shape, Struct):
        return [leaf for each, inner in shape.fields.items() for leaf in leaves(inner, f"{name}.{each}")]
    return [(f"{name}.bytes", "bytes"), (f"{name}.path", "text")] if shape == "image" else [(name, shape)]
