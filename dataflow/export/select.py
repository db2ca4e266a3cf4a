"""Reads the condition of `--where`, which decides which rows go out.

Python's parser reads the expression, and Python never runs it: names, constants, comparisons, `and`, `or`, `not` and
`in` are all that an expression may have.
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

TRAIN = "train"
_LONGEST = 2_000
_HOW = (
    "say it with names, numbers, 'texts', comparisons, and, or, not, in:"
    " --where \"score >= 7 and edit_type in ('object', 'style')\""
)


@dataclass(slots=True)
class Condition:
    """A condition that rows meet or not; called with the values of a row.

    Args:
        text: the expression as the user wrote it.
        names: the names in the expression.
        found_names: those of `names` that some row had.
        was_evaluated: whether the condition was called for some row.
    """

    text: str
    names: frozenset[str]
    _evaluate: Callable[[Values], JSON]
    found_names: set[str] = field(default_factory=set)
    was_evaluated: bool = False

    def __call__(self, values: Values) -> bool:
        """Whether a row meets the condition. A name that the row lacks is None; `<` and `>` never hold for None.

        Raises:
            ConfigError: the condition compares a text with a number.
        """
        self.was_evaluated = True
        self.found_names.update(name for name in self.names - self.found_names if name in values)
        try:
            return bool(self._evaluate(values))
        except TypeError as error:
            raise ConfigError(f"--where {self.text!r}: {error}; {_HOW}") from None

    def check_names(self) -> None:
        """Check, after all rows, that each name is a column of some row.

        Raises:
            ConfigError: a name is no column: no row had a value of this name.
        """
        if self.was_evaluated and (missing := sorted(self.names - self.found_names)):
            raise ConfigError(
                f"--where {self.text!r}: no row has a value {missing[0]!r}; it may name columns of rows, score and axes"
                f" of the verdict, inputs, width and height"
            )


def read_where(text: str) -> Condition:
    """Read the flag `--where`.

    Raises:
        ConfigError: the text is no expression, names no column, or has more than names, constants and comparisons.
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
        operands = [_compiled(operand, text) for operand in node.values]
        if isinstance(node.op, ast.And):
            return lambda values: all(operand(values) for operand in operands)
        return lambda values: any(operand(values) for operand in operands)
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
        return [_constant(item, text) for item in node.elts]
    raise ConfigError(f"--where {text!r:.200}: {ast.unparse(node)!r:.80} is more than it may hold; {_HOW}")


def _compared(node: ast.Compare, text: str) -> Callable[[Values], bool]:
    sides = [_compiled(side, text) for side in (node.left, *node.comparators)]
    operators = [_operator(symbol, text) for symbol in node.ops]

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
        return lambda first, second: _are_known(first, second) and _is_less(first, second) == below
    if isinstance(found, ast.Gt | ast.LtE):
        above = isinstance(found, ast.Gt)
        return lambda first, second: _are_known(first, second) and _is_less(second, first) == above
    raise ConfigError(f"--where {text!r:.200}: `is` asks for the same object: say == or !=")


def _are_known(*values: JSON) -> bool:
    return None not in values


def _is_less(first: JSON, second: JSON) -> bool:
    if isinstance(first, str) and isinstance(second, str):
        return first < second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return first < second
    raise TypeError(f"{first!r:.80} and {second!r:.80} cannot be compared: one is a text or a list")


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
