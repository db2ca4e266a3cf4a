"""Checks the arguments that a user gives to a constructor or to `run` against their annotations, before any cost.

It checks types alone, for every parameter in the same way; the constructor itself checks which values are allowed. An
annotation that this file does not know accepts every value.
"""

import inspect
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import cache, wraps
from numbers import Integral, Real
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, Unpack, cast, get_args, get_origin, get_type_hints

from dataflow.core.words import cut
from dataflow.errors import ConfigError

_F = TypeVar("_F", bound=Callable[..., Any])
_UNSHOWN = "api_key"  # a parameter with this in its name is never shown with its value
_WORDS: Mapping[object, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "True or False",
    NoneType: "None",
    PathLike: "a path",
    "Path": "a path",
    "Worker": "a serving, such as APIVLMServing_openai(...)",
    "ServingABC": "a serving, such as APIVLMServing_openai(...)",
    "Step": "storage.step()",
    "FileStorage": "FileStorage(...)",
}


def checked(function: _F) -> _F:
    """Decorate a function or method so that each call checks its arguments against its annotations.

    Raises:
        ConfigError: raised by the call: an argument has another type than its annotation, no parameter has this name,
            or two parameters name the same column.
    """

    @wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        parameters, hints = _read(function)
        where = _name_of(function, args)
        _refuse_unknown(where, kwargs, parameters, hints)
        given = {**dict(zip(parameters, args, strict=False)), **kwargs}
        for name, value in given.items():
            if name in hints:
                _check(where, name, value, hints[name])
        _refuse_one_column_twice(where, {**_columns(function), **given})
        return function(*map(_plain, args), **{name: _plain(value) for name, value in kwargs.items()})

    return cast("_F", checking)


def check_fields(value: Any) -> None:
    """Check the fields of a dataclass object against their annotations.

    Raises:
        ConfigError: a field holds a value of another type.
    """
    hints = _hints(cast("Hashable", type(value)))
    for field in fields(value):
        _check(type(value).__name__, field.name, getattr(value, field.name), hints[field.name])


def make_plain(value: Any) -> None:
    """Replace numbers of numpy and the like in the fields of a frozen dataclass object by int and float."""
    for field in fields(value):
        object.__setattr__(value, field.name, _plain(getattr(value, field.name)))


def _name_of(function: Callable[..., Any], args: Sequence[object]) -> str:
    """How a user calls the function: the class for a constructor, `Class.method`, or the name of the function."""
    name = function.__name__
    if not args or "." not in function.__qualname__:
        return name
    owner = type(args[0]).__name__
    return owner if name == "__init__" else f"{owner}.{name}"


@cache
def _hints(thing: Any) -> Mapping[str, Any]:
    return get_type_hints(thing)


@cache
def _read(function: Callable[..., Any]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The parameters that may be given by position, and name → annotation of all, an unpacked TypedDict's included."""
    hints = dict(_hints(function))
    by_position = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            by_position.append(name)
        elif parameter.kind is parameter.VAR_KEYWORD and get_origin(hints.get(name)) is Unpack:
            hints |= _hints(get_args(hints.pop(name))[0])
    hints.pop("return", None)
    return tuple(by_position), hints


def _refuse_unknown(where: str, given: Mapping[str, object], known: Sequence[str], hints: Mapping[str, Any]) -> None:
    names = {*known, *hints}
    for name in given:
        if name not in names:
            near = get_close_matches(name, sorted(names), 1)
            fix = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(names - {'self'}))}"
            raise ConfigError(f"{where} has no parameter `{name}`: {fix}")


@cache
def _columns(function: Callable[..., Any]) -> Mapping[str, str]:
    """Parameter that names a column → the column of its default."""
    parameters = inspect.signature(function).parameters.items()
    defaults = {name: given.default for name, given in parameters if name.startswith(("input_", "output_"))}
    return {name: column for name, column in defaults.items() if isinstance(column, str)}


def _refuse_one_column_twice(where: str, given: Mapping[str, object]) -> None:
    named: dict[object, str] = {}
    for name, column in given.items():
        if name.startswith(("input_", "output_")) and (first := named.setdefault(column, name)) != name:
            raise ConfigError(f"{where}: {first} and {name} both name `{column}`: give each a column of its own")


def _check(where: str, name: str, value: object, hint: Any) -> None:
    """Check one value against its annotation.

    Raises:
        ConfigError: it does not fit; of a list or dict the error names the item.
    """
    if _fits(value, hint):
        return
    for inner_name, inner, inner_hint in _inner(name, value, hint):
        _check(where, inner_name, inner, inner_hint)
    shown = name if _UNSHOWN in name else f"{name}={cut(repr(value), 60)}"
    if isinstance(value, type):
        raise ConfigError(f"{where}: {name} is a class: give an object of it, {value.__name__}(...)")
    is_of = "" if value is None else f" is {_kind(value)}"
    raise ConfigError(f"{where}: {shown}{is_of}: give {' or '.join(dict.fromkeys(_choices(hint)))}")


def _inner(name: str, value: object, hint: Any) -> Iterator[tuple[str, object, Any]]:
    """(name, value, annotation) of the items of a list or dict, if the annotation allows a list or dict."""
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin, parts = get_origin(part), get_args(part)
        if origin is Mapping and isinstance(value, Mapping):
            yield from ((f"{name}[{key!r}]", item, parts[1]) for key, item in value.items())
        elif origin is Sequence and _is_listed(value):
            items = enumerate(cast("Collection[object]", value))
            yield from ((f"{name}[{number}]", item, parts[0]) for number, item in items)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has the type of an annotation."""
    origin, parts = _parts(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(isinstance(value, type(part)) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple | list) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is type:
        return True  # a class of the user's own; the constructor checks what it derives from
    if origin is Sequence:
        return _is_listed(value) and all(_fits(item, parts[0]) for item in cast("Collection[object]", value))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(item, parts[1]) for item in value.values())
    kind = origin or (NoneType if hint is None else hint)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The generic type of an annotation and its arguments; a tuple of any length counts as a sequence."""
    origin, parts = get_origin(hint), get_args(hint)
    return (Sequence if origin is tuple and parts[-1:] == (...,) else origin), parts


def _plain(value: Any) -> Any:
    """The value with numbers of numpy and the like as int and float, since numbers go into ids; also within a tuple."""
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(map(_plain, value))
    if isinstance(value, Integral) and not isinstance(value, bool | int):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, Integral) else value


def _is_listed(value: object) -> bool:
    """Whether a value may stand for a list; a column of a DataFrame may."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _choices(hint: Any) -> list[str]:
    """The types of an annotation in words, for the error."""
    origin, parts = _parts(hint)
    if origin in (Union, UnionType):
        return [choice for part in parts for choice in _choices(part)]
    if origin is Literal:
        return [repr(part) for part in parts]
    if origin is tuple:
        return [f"({', '.join(' or '.join(_choices(part)) for part in parts)})"]
    if origin is Sequence:
        return [f"a list, each {' or '.join(_choices(parts[0]))}"]
    if origin is Mapping:
        return ["a dict"]
    kind = origin or hint
    name = getattr(kind, "__name__", str(kind))
    return [_WORDS.get(kind) or _WORDS.get(name) or f"{name}(...)"]


def _kind(value: object) -> str:
    """The type of a value in words, for the error."""
    name = type(value).__name__
    return _WORDS.get(type(value)) or {"list": "a list", "dict": "a dict", "tuple": "a tuple"}.get(name, f"a {name}")
