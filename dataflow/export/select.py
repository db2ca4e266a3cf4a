"""Which rows go out, and to which split: `--where`, `--split` and `--mix`.

An expression is read by Python's own grammar and never by its interpreter: names, constants, comparisons, `and`, `or`,
`not` and `in` are all there is. A split and a mix follow from digests, so they are the same in every run.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from dataflow.core.records import JSON
from dataflow.errors import ConfigError

Value = JSON | list[JSON]
Values = Mapping[str, JSON]
Where = Callable[[Values], bool]
"""Whether a row goes out, by the values of its names."""

TRAIN = "train"
_LONGEST = 2_000
_HOW = (
    "say it with names, numbers, 'texts', comparisons, and, or, not, in:"
    " --where \"score >= 7 and edit_type in ('object', 'style')\""
)


@dataclass(slots=True)
class Condition:
    """A condition of rows.

    Args:
        text: as the user wrote it.
        names: that it asks for.
        met: names that some row had.
        asked: it was asked about some row.
    """

    text: str
    names: frozenset[str]
    _holds: Callable[[Values], JSON]
    met: set[str] = field(default_factory=set)
    asked: bool = False

    def __call__(self, values: Values) -> bool:
        """Whether it holds for a row; a name that the row lacks is None, and no comparison with None but == holds.

        Raises:
            ConfigError: it compares a text with a number.
        """
        self.asked = True
        self.met.update(name for name in self.names - self.met if name in values)
        try:
            return bool(self._holds(values))
        except TypeError as error:
            raise ConfigError(f"--where {self.text!r}: {error}; {_HOW}") from None

    def check_met(self) -> None:
        """To be called after all rows.

        Raises:
            ConfigError: no row had a name, which so is no column.
        """
        if self.asked and (missing := sorted(self.names - self.met)):
            raise ConfigError(
                f"--where {self.text!r}: no row has a value {missing[0]!r}; it may name columns of rows, score and axes"
                f" of the verdict, inputs, width and height"
            )


def read_where(text: str) -> Condition:
    """A condition as a flag says it.

    Raises:
        ConfigError: it is no expression, or of more than it may have.
    """
    try:
        if len(text) > _LONGEST:
            raise ConfigError(f"--where has {len(text):,} characters, more than {_LONGEST:,}: filter in a step instead")
        tree = ast.parse(text.strip(), mode="eval")
        names, holds = frozenset(_names(tree)), _compiled(tree.body, text)
        if not names:
            raise ConfigError(f"--where {text!r} names no column, so it says the same of every row: {_HOW}")
        return Condition(text, names, holds)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(f"--where {text!r:.200} is no expression: {_HOW}") from None


def _names(tree: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _compiled(node: ast.expr, text: str) -> Callable[[Values], JSON]:
    if isinstance(node, ast.Name):
        return lambda values: values.get(node.id)
    if isinstance(node, ast.BoolOp):
        parts = [_compiled(each, text) for each in node.values]
        if isinstance(node.op, ast.And):
            return lambda values: all(part(values) for part in parts)
        return lambda values: any(part(values) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _compiled(node.operand, text)
        return lambda values: not inner(values)
    if isinstance(node, ast.Compare):
        return _compared(node, text)
    constant = _constant(node, text)
    return lambda _: constant


def _constant(node: ast.expr, text: str) -> JSON:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _constant(node.operand, text)
        if isinstance(number, int | float):
            return -number
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [_constant(each, text) for each in node.elts]
    raise ConfigError(f"--where {text!r:.200}: {ast.unparse(node)!r:.80} is more than it may hold; {_HOW}")


def _compared(node: ast.Compare, text: str) -> Callable[[Values], bool]:
    sides = [_compiled(each, text) for each in (node.left, *node.comparators)]
    operators = [_operator(each, text) for each in node.ops]

    def holds(values: Values) -> bool:
        found = [side(values) for side in sides]
        return all(compare(*pair) for compare, pair in zip(operators, pairwise(found), strict=True))

    return holds


def _operator(found: ast.cmpop, text: str) -> Callable[[JSON, JSON], bool]:
    if isinstance(found, ast.In):
        return _is_in
    if isinstance(found, ast.NotIn):
        return lambda item, container: not _is_in(item, container)
    if isinstance(found, ast.Eq):
        return operator.eq
    if isinstance(found, ast.NotEq):
        return operator.ne
    if isinstance(found, ast.Lt | ast.GtE):
        below = isinstance(found, ast.Lt)
        return lambda one, other: _are_there(one, other) and _is_less(one, other) == below
    if isinstance(found, ast.Gt | ast.LtE):
        above = isinstance(found, ast.Gt)
        return lambda one, other: _are_there(one, other) and _is_less(other, one) == above
    raise ConfigError(f"--where {text!r:.200}: `is` asks for the same object: say == or !=")


def _are_there(*values: JSON) -> bool:
    return None not in values


def _is_less(one: JSON, other: JSON) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one < other
    raise TypeError(f"{one!r:.80} and {other!r:.80} cannot be compared: one is a text or a list")


def _is_in(item: JSON, container: JSON) -> bool:
    if container is None or (isinstance(container, str) and item is None):
        return False
    if not isinstance(container, str | list):
        raise TypeError(f"{container!r:.80} holds nothing: `in` wants a text or a list")
    if isinstance(container, str):
        if not isinstance(item, str):
            raise TypeError(f"{item!r:.80} is no text, and in a text there is nothing else")
        return item in container
    return item in container
