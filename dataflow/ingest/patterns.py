"""Expands braces into names of files, as shells and WebDataset do: `shard-{000..012}.tar`, `{a,b}.tar`."""

import re
from collections.abc import Iterator
from itertools import product

from dataflow.errors import ConfigError

_BRACES = re.compile(r"\{(\d+\.\.\d+|[^{}]*,[^{}]*)\}")
_MOST = 1_000_000  # names


def expanded(text: str) -> list[str]:
    """All names that a pattern stands for, in order; a text without braces stands for itself.

    Raises:
        ConfigError: there are more than a million names.
    """
    parts = _BRACES.split(text)
    choices = [list(_choices(part)) if number % 2 else [part] for number, part in enumerate(parts)]
    count = 1
    for each in choices:
        count *= len(each)
    if count > _MOST:
        raise ConfigError(f"{text}: stands for {count:,} names, more than {_MOST:,}")
    return ["".join(each) for each in product(*choices)]


def _choices(inner: str) -> Iterator[str]:
    first, dots, last = inner.partition("..")
    if not dots or "," in inner:
        yield from inner.split(",")
        return
    start, end = int(first), int(last)
    if abs(end - start) > _MOST:
        raise ConfigError(f"{{{inner}}}: stands for more than {_MOST:,} names")
    width = len(first) if first.startswith("0") or last.startswith("0") else 0
    for number in range(start, end + 1) if start <= end else range(start, end - 1, -1):
        yield f"{number:0{width}d}"
