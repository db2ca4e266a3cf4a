"""Finds the pictures that rows name and puts absolute paths in the place of the names, for step files.

So a path in a step file opens from anywhere, and a later step finds the picture whatever its working directory is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.io.decode import EXTENSIONS


def with_paths(row: Row, columns: Sequence[str], paths: Mapping[str, str]) -> Row:
    """A copy of a row with absolute paths in the place of names.

    Args:
        row: the row, which is not changed.
        columns: the columns that may hold the name of a picture, or a list of names.
        paths: name → absolute path; a name that is not in it stays.
    """
    found = dict(row)
    for column in columns:
        value = row.get(column)
        if isinstance(value, str):
            found[column] = paths.get(value, value)
        elif isinstance(value, list):
            found[column] = [paths.get(name, name) if isinstance(name, str) else name for name in value]
    return found


def names_in(row: Row, columns: Sequence[str]) -> Iterator[str]:
    """The texts in these columns of a row that end like the name of a picture file."""
    for column in columns:
        value = row.get(column)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name.lower().endswith(EXTENSIONS):
                yield name


def named_pictures(row: Row, columns: Sequence[str], resolve: Callable[[str], str]) -> dict[str, str]:
    """Name → absolute path of the pictures that a row names, without those that do not exist.

    It is for a row that is kept as it is: no request of the row says which of its values are pictures.

    Args:
        row: the row.
        columns: the columns that may name pictures.
        resolve: name → absolute path; raises RowError for a picture that does not exist.
    """
    paths = {}
    for name in names_in(row, columns):
        try:
            paths[name] = resolve(name)
        except RowError:  # no such file: the step that needs it will fail the row
            continue
    return paths
