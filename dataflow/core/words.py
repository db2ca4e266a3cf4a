"""How amounts, numbers and times are said to people."""

import math
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from unicodedata import east_asian_width

from dataflow.core.records import NANO


def show_amount(billionths: int, currency: str, *, up: bool = False) -> str:
    """An amount of money for people: two digits behind the point, four below one unit.

    Args:
        billionths: of the currency.
        currency: its name.
        up: round up, for what must be enough.
    """
    digits = 2 if billionths >= NANO or not billionths else 4
    amount = billionths / NANO
    if up:
        amount = math.ceil(amount * 10**digits) / 10**digits
    return f"{amount:,.{digits}f} {currency}"


def count_of(count: int, noun: str, several: str = "") -> str:
    """A number of things, in words.

    Args:
        count: how many.
        noun: of one.
        several: of more than one, where that is not `noun` with an s.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or f'{noun}s'}"


def three_digits(value: float) -> str:
    """A measured number, without false precision: 0.0123, 4.5, 120, 7,520."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share that somebody asked for, with all its digits: 90%, 99.5%."""
    return f"{100 * share:.6g}%"


def sentence(text: str) -> str:
    """A text with a full stop, so that another sentence may follow it."""
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text}."


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


WIDTH = 80
"""Columns of a terminal in which every line of ours fits, but for names of files."""

# What tells apart reasons of one kind: names, quoted words, paths, numbers.
_PARTICULAR = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*[/\\]\S*|\S*\d\S*""")


def columns_of(text: str) -> int:
    """How many columns of a terminal a line takes; a Chinese character takes two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(each) in "WF") for each in text)


def cut(text: str, columns: int) -> str:
    """A text as one line of at most so many columns; what is left out is marked."""
    line = " ".join(text.split())
    if columns_of(line) <= columns:
        return line
    while columns_of(line) > columns - 1:
        line = line[: max(1, min(len(line) - 1, columns))]
        if len(line) == 1:
            break
    return f"{line.rstrip()}…"


def fill(parts: Sequence[str], *, indent: str = "  ") -> list[str]:
    """Parts of a sentence, with commas between them, as lines of WIDTH columns; a longer part goes on indented."""
    lines: list[str] = []
    for part in parts:
        if lines and columns_of(f"{lines[-1]}, {part}") < WIDTH:  # room for a comma
            lines[-1] += f", {part}"
            continue
        if lines:
            lines[-1] += ","
        broken = textwrap.wrap(part, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
        lines += [f"{indent}{'  ' if at else ''}{each}" for at, each in enumerate(broken)]
    return lines


def grouped(reasons: Mapping[str, int], most: int) -> list[str]:
    """Reasons of failed rows as lines, the most frequent first; those that differ only in names stand as one.

    Args:
        reasons: how many rows failed for each.
        most: kinds of reasons that are named.
    """
    rows, first, different = Counter[str](), dict[str, str](), Counter[str]()
    for reason, times in reasons.items():
        kind = _PARTICULAR.sub("…", reason)
        rows[kind] += times
        different[kind] += 1
        first.setdefault(kind, reason)
    named = rows.most_common(most)
    lines = [f"{times:,} x {'such as: ' if different[kind] > 1 else ''}{first[kind]}" for kind, times in named]
    rest = rows.total() - sum(times for _, times in named)
    return [*lines, f"{count_of(rest, 'row')} for {count_of(len(rows) - most, 'other reason')}"] if rest else lines
