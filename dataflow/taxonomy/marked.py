"""Reads YAML files so that the message of every fault has the line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from dataflow.errors import ConfigError, InputError


class Marked:
    """A value of a YAML file, with its name and its line.

    Args:
        node: the value, as PyYAML composes it.
        path: path of the file.
        name: name of the field that has the value; "" for the whole file.
    """

    def __init__(self, node: yaml.Node, path: Path, name: str) -> None:
        self.name = name
        self._node = node
        self._path = path

    def fault(self, what: str) -> InputError:
        """Make the error for a fault of this value; `what` says what is wrong."""
        name = f"`{self.name}`: " if self.name else ""
        return InputError(f"{self._path}:{self._node.start_mark.line + 1}: {name}{what}")

    def fields(self) -> dict[str, "Marked"]:
        """Return the fields of a mapping, by name.

        Raises:
            InputError: the value is no mapping, or has a field twice.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault("expected fields (name: value)")
        found: dict[str, Marked] = {}
        for key, value in self._node.value:
            name = str(key.value)
            if name in found:
                raise Marked(key, self._path, name).fault("is here twice")
            found[name] = Marked(value, self._path, name)
        return found

    def known(self, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, "Marked"]:
        """Return the fields of a mapping that must have the required fields, and may have the optional ones.

        Raises:
            InputError: a required field is missing, or the mapping has a further field.
        """
        fields = self.fields()
        for name in required:
            if name not in fields:
                raise self.fault(f"has no `{name}`")
        for name, value in fields.items():
            if name not in required and name not in optional:
                raise value.fault(f"is not known here; the fields are {', '.join((*required, *optional))}")
        return fields

    def items(self) -> Iterator["Marked"]:
        """Return the values of a list.

        Raises:
            InputError: the value is no list.
        """
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.fault("expected a list")
        for value in self._node.value:
            yield Marked(value, self._path, self.name)

    def text(self) -> str:
        """Return a text; a number is the text as it is written.

        Raises:
            InputError: the value is no text, or is empty.
        """
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value.strip():
            raise self.fault("expected text")
        return str(self._node.value)

    def number(self) -> float:
        """Return a number above 0.

        Raises:
            InputError: the value is something else.
        """
        try:
            value = float(self.text())
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise self.fault("expected a number above 0")
        return value

    def whole(self) -> int:
        """Return a whole number above 0.

        Raises:
            InputError: the value is something else.
        """
        value = self.number()
        if value != int(value):
            raise self.fault("expected a whole number")
        return int(value)

    def is_true(self) -> bool:
        """Return the value of a field that must be `true` or `false`.

        Raises:
            InputError: the value is something else.
        """
        if self.text() not in ("true", "false"):
            raise self.fault("expected true or false")
        return self.text() == "true"

    @property
    def is_text(self) -> bool:
        """Whether the value is neither a mapping nor a list."""
        return isinstance(self._node, yaml.ScalarNode)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self._node, yaml.SequenceNode)


def read_marked(path: Path) -> Marked:
    """Read a YAML file.

    Raises:
        ConfigError: the file cannot be read.
        InputError: the file is no YAML, is not UTF-8, or is empty.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; convert the file, for example with `iconv -f gb18030 -t utf-8`") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply; begin with a copy of the shipped file") from None
    if node is None:
        raise InputError(f"{path}: empty; begin with a copy of the shipped file: dataflowmm taxonomy --export {path}")
    return Marked(node, path, "")
