"""Rows as a pandas DataFrame and back, for operators written by hand: no value is lost on the way.

Whole numbers of a column that some rows lack become floats, as pandas has it, and caches were made so; only numbers
that a float does not hold stay whole.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from dataflow.core.records import Row
from dataflow.errors import ConfigError

if TYPE_CHECKING:
    import pandas

_FLOAT = 1 << 53  # the largest whole number below which a float holds all of them


def frame_of(rows: Sequence[Row]) -> "pandas.DataFrame":
    """A frame of these rows."""
    import pandas

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _series([row.get(name) for row in rows]) for name in names}
    return pandas.DataFrame(columns, index=range(len(rows)))


def _series(values: Sequence[object]) -> "pandas.Series":
    import pandas

    whole = [value for value in values if type(value) is int]
    gaps = len(values) - len(whole) == sum(value is None for value in values) > 0
    try:
        return pandas.Series(values, dtype="Int64" if gaps and max(map(abs, whole), default=0) > _FLOAT else None)
    except (ValueError, TypeError, OverflowError):  # half a character, more than 64 bits
        return pandas.Series(values, dtype=object)


def rows_of(frame: "pandas.DataFrame") -> Sequence[Row]:
    """The rows of a frame, with None for what is missing.

    Raises:
        ConfigError: two columns have one name, and a row can keep only one of them.
    """
    if not frame.columns.is_unique:
        (name, *_) = frame.columns[frame.columns.duplicated()]
        raise ConfigError(f"write() got several columns named `{name}`: give each a name of its own")
    return cast("list[Row]", frame.astype(object).where(frame.notna(), None).to_dict("records"))
