"""What a user gives to a constructor or a `run`, held against its annotations before anything is spent.

Only the kind of a value is looked at here, for every parameter alike; what a value may be, its owner says. A hint that
this file does not know lets everything pass.
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

from dataflow.errors import ConfigError

_F = TypeVar("_F", bound=Callable[..., Any])
_HIDDEN = "api_key"  # in the name of a parameter: its value is not shown
_SAID: Mapping[object, str] = {
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
    """Check the arguments of each call of a function or method against its annotations.

    Raises:
        ConfigError: in the call: an argument is of another kind than its annotation, or there is no such parameter.
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
        ConfigError: a field holds another kind of value.
    """
    hints = _hints(cast("Hashable", type(value)))
    for field in fields(value):
        _check(type(value).__name__, field.name, getattr(value, field.name), hints[field.name])


def make_plain(value: Any) -> None:
    """Replace numbers of other libraries in the fields of a frozen dataclass object by Python's own."""
    for field in fields(value):
        object.__setattr__(value, field.name, _plain(getattr(value, field.name)))


def _name_of(function: Callable[..., Any], args: Sequence[object]) -> str:
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
    """The names that may be given by position, and the hint of every name, those of an unpacked TypedDict included."""
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
    """The parameters that name a column, and the column that each names unless told otherwise."""
    parameters = inspect.signature(function).parameters.values()
    columns = {each.name: each.default for each in parameters if each.name.startswith(("input_", "output_"))}
    return {name: column for name, column in columns.items() if isinstance(column, str)}


def _refuse_one_column_twice(where: str, given: Mapping[str, object]) -> None:
    named: dict[object, str] = {}
    for name, column in given.items():
        if name.startswith(("input_", "output_")) and (other := named.setdefault(column, name)) != name:
            raise ConfigError(f"{where}: {other} and {name} both name `{column}`: give each a column of its own")


def _check(where: str, name: str, value: object, hint: Any) -> None:
    if _fits(value, hint):
        return
    for inner_name, inner, inner_hint in _inner(name, value, hint):
        _check(where, inner_name, inner, inner_hint)
    shown = name if _HIDDEN in name else f"{name}={value!r:.60}"
    if isinstance(value, type):
        raise ConfigError(f"{where}: {name} is a class: give an object of it, {value.__name__}(...)")
    is_of = "" if value is None else f" is {_kind(value)}"
    raise ConfigError(f"{where}: {shown}{is_of}: give {' or '.join(dict.fromkeys(_choices(hint)))}")


def _inner(name: str, value: object, hint: Any) -> Iterator[tuple[str, object, Any]]:
    """What a list or dict holds, with its name and hint, where it may be a list or dict."""
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin, parts = get_origin(part), get_args(part)
        if origin is Mapping and isinstance(value, Mapping):
            yield from ((f"{name}[{key!r}]", each, parts[1]) for key, each in value.items())
        elif origin is Sequence and _is_listed(value):
            yield from ((f"{name}[{at}]", each, parts[0]) for at, each in enumerate(cast("Collection[object]", value)))


def _fits(value: object, hint: Any) -> bool:
    origin, parts = _parts(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(isinstance(value, type(part)) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple | list) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is type:
        return True  # a family of one's own; its owner says what it must derive from
    if origin is Sequence:
        return _is_listed(value) and all(_fits(each, parts[0]) for each in cast("Collection[object]", value))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(each, parts[1]) for each in value.values())
    kind = origin or (NoneType if hint is None else hint)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    origin, parts = get_origin(hint), get_args(hint)
    return (Sequence if origin is tuple and parts[-1:] == (...,) else origin), parts


def _plain(value: Any) -> Any:
    """A number of another library, such as numpy's, as Python's own, which goes into ids; in a tuple too."""
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(map(_plain, value))
    if isinstance(value, Integral) and not isinstance(value, bool | int):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, Integral) else value


def _is_listed(value: object) -> bool:
    """Whether it may stand for a list: a column of a table too."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _choices(hint: Any) -> list[str]:
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
    return [_SAID.get(kind) or _SAID.get(name) or f"{name}(...)"]


def _kind(value: object) -> str:
    name = type(value).__name__
    return _SAID.get(type(value)) or {"list": "a list", "dict": "a dict", "tuple": "a tuple"}.get(name, f"a {name}")
