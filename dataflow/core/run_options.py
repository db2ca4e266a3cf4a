"""How a run is asked for: how much of it, at what prices, up to which cost, or only as a count."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Literal, get_args

from dataflow.core.arguments import check_fields
from dataflow.core.shard import Shard
from dataflow.errors import ConfigError

Prices = str | PathLike[str] | Mapping[str, object]
AtLimit = Literal["stop", "finish"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the flags of a script and the keywords of `FileStorage` say of a run, and `run_step` reads.

    Args:
        limit: take only the first rows of the first step, as a preview; a full run keeps their answers.
        max_cost: most that may be spent in the cache directory, by all its steps and runs together, in the currency
            of the prices (USD); None: the environment's `DF_MAX_COST`, else no limit.
        at_limit: what a step does once `max_cost` leaves no room: "stop" ends the run without the step's file; with
            "finish" the rows that cannot be paid fail, the others are written, and a run with a higher limit goes on.
        prices: a price file in the form of dataflow/money/prices.yaml, or model → price; the shipped table has the
            prices that it lacks.
        dry_run: ask nothing and write no step file: each step's summary says how many requests a run would send,
            what they would cost and how long they would take.
        overwrite: ask although the output column has a value, in every step.
        retry_rejected: ask again what a provider refused in an earlier run, in every step.
        shard: take only this part of the rows, into a cache of its own, and of `max_cost` as large a part; None: the
            environment's `DF_SHARD`, else all.

    Raises:
        ConfigError: a limit below 1, another word for `at_limit`, or a value of another kind.
    """

    limit: int | None = None
    max_cost: float | None = None
    at_limit: AtLimit = "stop"
    prices: Prices | None = None
    dry_run: bool = False
    overwrite: bool = False
    retry_rejected: bool = False
    shard: Shard | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.at_limit not in get_args(AtLimit):
            raise ConfigError(f"at_limit is {self.at_limit!r}: use one of {', '.join(get_args(AtLimit))}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}: give a number of rows from 1")
