"""How amounts, numbers and times are said to people."""

import math

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


def count_of(count: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def three_digits(value: float) -> str:
    """A measured number, without false precision: 0.0123, 4.5, 120, 7,520."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
