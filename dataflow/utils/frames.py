"""Rows as a pandas DataFrame and back, for operators that are written by hand; no value is lost on the way.

Integers of a column that some rows lack become floats, as is usual in pandas and in caches that exist. Only integers
that a float cannot hold exactly stay integers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from dataflow.core.records import Row
from dataflow.errors import ConfigError

if TYPE_CHECKING:
    import pandas

_FLOAT = 1 << 53  # a float holds every integer up to this one


def frame_of(rows: Sequence[Row]) -> "pandas.DataFrame":
    """A DataFrame with one line for each row and one column for each name that any row has.

    Args:
        rows: dicts; a column that a row lacks is missing in its line.
    """
    import pandas

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _series([row.get(name) for row in rows]) for name in names}
    return pandas.DataFrame(columns, index=range(len(rows)))


def _series(values: Sequence[object]) -> "pandas.Series":
    """A column with the type that pandas chooses, or one that loses no digit where that type would."""
    import pandas

    whole = [value for value in values if type(value) is int]
    has_gaps = len(values) - len(whole) == sum(value is None for value in values) > 0  # and holds integers alone
    try:
        return pandas.Series(values, dtype="Int64" if has_gaps and max(map(abs, whole), default=0) > _FLOAT else None)
    except (ValueError, TypeError, OverflowError):  # half a character, more than 64 bits
        return pandas.Series(values, dtype=object)


def rows_of(frame: "pandas.DataFrame") -> Sequence[Row]:
    """The rows of a DataFrame, with None for each missing value.

    Raises:
        ConfigError: two columns have the same name, and a row can keep only one of them.
    """
    if not frame.columns.is_unique:
        (name, *_) = frame.columns[frame.columns.duplicated()]
        raise ConfigError(f"write() got several columns named `{name}`: give each a name of its own")
    return cast("list[Row]", frame.astype(object).where(frame.notna(), None).to_dict("records"))
