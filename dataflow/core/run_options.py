"""The options of a run: how many rows, at which prices, up to which cost, or only as a dry run."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Literal, get_args

from dataflow.core.arguments import check_fields
from dataflow.core.shard import Shard
from dataflow.errors import ConfigError

Prices = str | PathLike[str] | Mapping[str, object]  # path of a price file, or name of a model → price
AtLimit = Literal["stop", "finish"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run, as the flags of a script or the keywords of `FileStorage` set them for all its steps.

    Args:
        limit: how many rows of the first step are taken, from the first on, as a preview; a later run of all rows
            reuses their answers. None: all rows.
        max_cost: the most that may be spent in the cache directory, by all steps and runs together, in the currency of
            the prices (USD). None: the amount in the environment's `DF_MAX_COST`, else no limit.
        at_limit: what a step does when `max_cost` has no room for the next request. "stop" ends the run without the
            step's file. "finish" fails the rows that cannot be paid and writes the others; a run with a higher limit
            asks the failed ones.
        prices: path of a price file in the form of dataflow/money/prices.yaml, or a dict from the name of a model to
            its price. The shipped table has the prices of all other models. None: the shipped table alone.
        dry_run: send no request and write no step file: the summary of each step says how many requests a run would
            send, what they would cost and how long they would take.
        overwrite: in every step, ask for rows whose output column has a value already.
        retry_rejected: in every step, send requests again that a provider refused for good in an earlier run.
        shard: the part of the rows that is taken, into a cache directory of its own, with the same part of `max_cost`.
            None: the shard in the environment's `DF_SHARD`, else all rows.

    Raises:
        ConfigError: a limit below 1, an unknown word for `at_limit`, or a value of another type.
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
