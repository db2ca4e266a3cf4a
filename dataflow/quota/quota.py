"""What a user wants of a set, in one value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from dataflow.core.arguments import check_fields, make_plain
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError

LEAST_AHEAD, AHEAD_SHARE = 64, 0.02
"""Rows that may be open at least, and as a share of those wanted. Simulated over 41 operations, 1,000 wanted: 500 open
rows made 4.8 % too many, 64 made 3 %."""


HOPELESS = 0.05


@dataclass(frozen=True, slots=True)
class Quota:
    """So many accepted rows, in this mix, for at most so much money.

    Args:
        accepted: rows wanted.
        mix: operation or group → its part of them, in any unit; None: the taxonomy's shares.
        max_cost: the most that the directory may have spent then; the set ends smaller if it must. A lower limit of the
            run holds as well. None: only that one.
        hopeless: an operation of which surely a smaller share than this is accepted is given up, and named; 0, which
            gives nothing up, needs a `max_cost`.
        ahead: rows that may be open at once; None: 64, or 2 % of `accepted` if that is more. More of them use a fast
            server better, and make more rows than are wanted.

    Raises:
        ConfigError: a number that cannot be, or a value of another kind.
    """

    accepted: int
    mix: Mapping[str, float] | None = None
    max_cost: float | None = None
    hopeless: float = HOPELESS
    ahead: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        make_plain(self)
        if self.accepted < 1:
            raise ConfigError(f"accepted is {self.accepted}: give the number of rows that are wanted, from 1")
        if not 0 <= self.hopeless < 1:
            raise ConfigError(f"hopeless is {self.hopeless}: give a share from 0, which gives nothing up, to below 1")
        if self.ahead is not None and self.ahead < 1:
            raise ConfigError(f"ahead is {self.ahead}: give the number of rows that may be open at once, from 1")
        if self.hopeless == 0 and self.max_cost is None:
            raise ConfigError(
                "hopeless is 0, which gives nothing up: an operation that is never accepted would be tried without end."
                " Give max_cost too, or a small share such as hopeless=0.005"
            )
        if self.max_cost is not None and not 0 <= self.max_cost < math.inf:
            raise ConfigError(f"max_cost is {self.max_cost}: give an amount of money from 0")

    def within(self, options: RunOptions) -> RunOptions:
        """The options of a run that spends no more than they and the quota allow, and writes what that buys."""
        limits = [each for each in (self.max_cost, options.max_cost) if each is not None]
        return replace(options, max_cost=min(limits, default=None), at_limit="finish")

    def limited(self, limit: int | None) -> Self:
        """The same, of at most so many accepted rows."""
        return self if limit is None else replace(self, accepted=min(self.accepted, limit))

    @property
    def open_at_most(self) -> int:
        """Rows that may be open at once."""
        return self.ahead or max(LEAST_AHEAD, math.ceil(AHEAD_SHARE * self.accepted))
