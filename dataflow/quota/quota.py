"""The quota: what a user wants of a set of accepted rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from dataflow.core.arguments import check_fields, make_plain
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError

LEAST_AHEAD, AHEAD_SHARE = 64, 0.02
"""Default for the greatest number of open rows: LEAST_AHEAD, or AHEAD_SHARE of the wanted rows if that is more.
Simulated over 41 operations and 1,000 wanted rows: 500 open rows made 4.8 % too many rows, 64 made 3 %."""

HOPELESS = 0.05


@dataclass(frozen=True, slots=True)
class Quota:
    """A number of accepted rows in a mix of operations, for a limited amount of money.

    Args:
        accepted: number of wanted rows, from 1.
        mix: operation or group → its part of the rows, in any unit; None: the shares of the taxonomy.
        max_cost: greatest amount, in the currency of the prices, that the directory may have spent at the end; the set
            is smaller if the money ends first. A lower limit of the run also holds. None: only the limit of the run.
        hopeless: an operation is given up, and named in the report, if almost certainly a smaller share of its rows
            than this is accepted; from 0 to below 1. 0: no operation is given up, which needs a `max_cost`.
        ahead: greatest number of open rows; None: 64, or 2 % of `accepted` if that is more. A greater number keeps a
            fast server busy, and makes more rows than wanted.

    Raises:
        ConfigError: a value is out of range or of another type.
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
        """Return the options of a run with the lower limit of both, which writes its rows when the money ends."""
        limits = [each for each in (self.max_cost, options.max_cost) if each is not None]
        return replace(options, max_cost=min(limits, default=None), at_limit="finish")

    def limited(self, limit: int | None) -> Self:
        """Return the same quota with at most `limit` accepted rows; None: no limit."""
        return self if limit is None else replace(self, accepted=min(self.accepted, limit))

    @property
    def open_at_most(self) -> int:
        """Greatest number of open rows."""
        return self.ahead or max(LEAST_AHEAD, math.ceil(AHEAD_SHARE * self.accepted))
