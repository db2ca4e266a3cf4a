"""Amounts, numbers, durations and lists of reasons in words, for messages and summaries."""

import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from unicodedata import east_asian_width

from dataflow.core.records import NANO


def show_amount(billionths: int, currency: str, *, up: bool = False) -> str:
    """An amount of money with two decimals, or with four below one unit.

    Args:
        billionths: the amount, in billionths of the currency.
        currency: the name of the currency.
        up: whether to round up, for an amount that must be enough.
    """
    digits = 2 if billionths >= NANO or not billionths else 4
    if up:  # in whole numbers: 1.1 * 100 is above 110 as a float
        step = NANO // 10**digits
        billionths = -(-billionths // step) * step
    return f"{billionths / NANO:,.{digits}f} {currency}"


def count_of(count: int, noun: str, several: str = "") -> str:
    """A number with its noun: "1 row", "1,024 rows".

    Args:
        count: the number.
        noun: the singular.
        several: the plural, where it is not `noun` with an s.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or f'{noun}s'}"


def three_digits(value: float) -> str:
    """A measured number with three significant digits: 0.0123, 4.5, 120, 7,520."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share that a user gave, as percent with all its digits: 90%, 99.5%."""
    return f"{100 * share:.6g}%"


def sentence(text: str) -> str:
    """The text with a full stop at its end, unless it ends a sentence already."""
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text}."


def duration(seconds: float) -> str:
    """A number of seconds in the fitting unit: 42 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


WIDTH = 80
"""Columns of a terminal in which every line of ours fits, but for names of files."""

# The parts in which reasons of one kind differ: quoted words, paths, words with digits.
_PARTICULAR = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*[/\\]\S*|\S*\d\S*""")


def columns_of(text: str) -> int:
    """How many columns of a terminal a line takes; a Chinese character takes two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(letter) in "WF") for letter in text)


def cut(text: str, columns: int) -> str:
    """The text as one line of at most so many columns; `…` marks the end where it was cut."""
    line = " ".join(text.split())
    if columns_of(line) <= columns:
        return line
    while columns_of(line) > columns - 1:
        line = line[: max(1, min(len(line) - 1, columns))]
        if len(line) == 1:
            break
    return f"{line.rstrip()}…"


def fill(parts: Sequence[str], *, indent: str = "  ") -> list[str]:
    """Lines of at most WIDTH columns with the parts of a sentence, commas between them.

    Args:
        parts: of the sentence; a part that is longer than a line is broken and goes on indented.
        indent: at the start of each line.
    """
    lines: list[str] = []
    for part in parts:
        if lines and columns_of(f"{lines[-1]}, {part}") < WIDTH:  # room for a comma
            lines[-1] += f", {part}"
            continue
        if lines:
            lines[-1] += ","
        broken = textwrap.wrap(part, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
        lines += [f"{indent}{'  ' if number else ''}{line}" for number, line in enumerate(broken)]
    return lines


def grouped(reasons: Mapping[str, int], most: int) -> list[str]:
    """Reasons of failed rows as lines, the most frequent first; reasons that differ only in names are one line.

    Args:
        reasons: reason → how many rows failed for it.
        most: how many lines; one more sums up the rest.
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
