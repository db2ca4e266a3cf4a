"""Shows the value of a constant where a signature of the Python reference would show its name.

`thresholds: Thresholds = THRESHOLD` says nothing to a reader of the site, who sees neither the constant nor its module.
mkdocs.yml names this extension of griffe, which reads the docstrings for mkdocstrings.
"""

import ast
from typing import Any

import griffe

_NOTHING = "default_factory=lambda: NOTHING_USED)"
"""The end of a field whose default is an empty mapping that all objects share."""


class ShowConstants(griffe.Extension):  # type: ignore[misc]  # mypy runs where griffe is not installed
    """Puts the values of constants into the defaults of parameters and of the fields of dataclasses."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Look at the classes and functions of all modules, before griffe makes parameters of fields."""
        for module in _modules_of(pkg):
            for member in module.members.values():
                if isinstance(member, griffe.Function):
                    _show(member)
                elif isinstance(member, griffe.Class):
                    for inner in member.members.values():
                        if isinstance(inner, griffe.Function):
                            _show(inner)
                        elif isinstance(inner, griffe.Attribute) and (value := _literal(inner, inner.value)):
                            inner.value = value
                        elif isinstance(inner, griffe.Attribute) and str(inner.value).endswith(_NOTHING):
                            inner.value = "{}"


def _modules_of(module: griffe.Module) -> list[griffe.Module]:
    inner = [member for member in module.members.values() if isinstance(member, griffe.Module)]
    return [module, *(each for one in inner for each in _modules_of(one))]


def _show(function: griffe.Function) -> None:
    for parameter in function.parameters:
        if value := _literal(function, parameter.default):
            parameter.default = value


def _literal(owner: griffe.Object, default: str | griffe.Expr | None) -> str:
    """Return a default with the values of the constants that it names, as Python text; empty: it names none."""
    if not isinstance(default, griffe.ExprName | griffe.ExprTuple):
        return ""
    try:
        tree = _Values(owner).visit(ast.parse(str(default), mode="eval"))
        ast.literal_eval(tree)
    except (KeyError, griffe.AliasResolutionError, AttributeError, ValueError, SyntaxError):
        return ""
    return ast.unparse(tree)


class _Values(ast.NodeTransformer):
    """Puts the value of a constant in place of its name.

    Args:
        owner: the function or field in whose module the name is looked up.
    """

    def __init__(self, owner: griffe.Object) -> None:
        self._owner = owner

    def visit_Name(self, node: ast.Name) -> ast.expr:
        constant = self._owner.module[node.id]
        while constant.is_alias:
            constant = constant.final_target
        return ast.parse(str(constant.value), mode="eval").body
