"""Reads the YAML of a price file within a second and a few megabytes, whatever the file contains.

Users copy price files from pages of strangers. A file that is no plain table of numbers ends in a ConfigError of one
line.
"""

import math
import reprlib
from pathlib import Path

from dataflow.errors import ConfigError

_LARGEST = 256 << 10  # bytes: two thousand models
_MOST_FIELDS = 1000  # fields that merge keys (`<<`) may add to a mapping; nested merge keys multiply them
_MOST_BRACKETS = 50  # brackets that may be open at once
_short = reprlib.Repr()
_short.maxlevel, _short.maxdict, _short.maxlist, _short.maxstring, _short.maxother = 2, 3, 3, 60, 60


def show(value: object) -> str:
    """Return a short text for a value in an error message, however long or deeply nested the value is."""
    try:
        return _short.repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a {type(value).__name__} too long to show"


def is_amount(value: object, largest: float) -> bool:
    """Whether a value is a number from 0 to `largest`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= largest < math.inf


def read_price_file(path: Path) -> object:
    """Read a price file into plain Python values.

    Raises:
        ConfigError: the file cannot be read, is too large, or is no YAML.
    """
    import yaml  # takes a twentieth of a second, and runs of local models alone need no prices

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
            try:
                return super().construct_object(node, deep=deep)
            except (ValueError, LookupError, AttributeError, OverflowError):  # a scalar that is not what its tag says
                problem = f"{show(node.value)} is no {node.tag.rpartition(':')[2]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

        def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
            if self.flow_level >= _MOST_BRACKETS:  # the scanner's time grows with their square
                raise yaml.MarkedYAMLError(problem="brackets are nested too deeply", problem_mark=self.get_mark())
            super().fetch_flow_collection_start(token)

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            own = len(node.value)
            super().flatten_mapping(node)
            if len(node.value) > own + _MOST_FIELDS:  # PyYAML before 6.0.4 counts the same fields again and again
                raise yaml.MarkedYAMLError(problem="too many merged fields", problem_mark=node.start_mark)

    try:
        return yaml.load(_read_text(path), Loader)  # noqa: S506 - the loader is a safe one
    except OSError as error:
        raise ConfigError(f"the price table {path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"the price table {path}{line} is no YAML: {str(error.problem)[:200]}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"the price table {path} is no YAML: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise ConfigError(f"the price table {path} is no YAML: its lines are nested too deeply") from None


def _read_text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise ConfigError(f"the price table {path} is no file: give the path of a YAML file")
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError(
            f"the price table {path} has more than {_LARGEST >> 10} KiB: keep only the models that you use"
        )
    return data.decode("utf-8-sig")
