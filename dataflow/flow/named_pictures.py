"""Pictures by the names that rows have for them, and their absolute paths, by which step files name them.

So a path of a step file opens from anywhere, and a later step finds the picture whatever its working directory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.io.decode import EXTENSIONS


def with_paths(row: Row, columns: Sequence[str], paths: Mapping[str, str]) -> Row:
    """The row with absolute paths in these columns.

    Args:
        row: is not changed.
        columns: that may hold a picture's name, or a list of names.
        paths: name -> absolute path.
    """
    found = dict(row)
    for column in columns:
        value = row.get(column)
        if isinstance(value, str):
            found[column] = paths.get(value, value)
        elif isinstance(value, list):
            found[column] = [paths.get(each, each) if isinstance(each, str) else each for each in value]
    return found


def names_in(row: Row, columns: Sequence[str]) -> Iterator[str]:
    """What looks like the name of a picture in these columns of a row."""
    for column in columns:
        value = row.get(column)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name.lower().endswith(EXTENSIONS):
                yield name


def named_pictures(row: Row, columns: Sequence[str], resolve: Callable[[str], str]) -> dict[str, str]:
    """The pictures that a row names which is kept as it is: name -> absolute path, of those that are there.

    No request tells which of its values are pictures, so their names do.
    """
    paths = {}
    for name in names_in(row, columns):
        try:
            paths[name] = resolve(name)
        except RowError:  # it is not there: whoever wants it says so
            continue
    return paths
