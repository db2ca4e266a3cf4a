"""Finds out whether the model of a serving is still served.

The name of a retired model is sent as the user wrote it, since a gateway may serve a model for longer than its provider
does. One warning says that the model is retired, the list of the address is searched for it, and requests go out one at
a time until one is answered: a name that is no longer served costs one request. A gateway that has withdrawn a model
answers HTTP 503, as if it were overloaded; its list of models tells the two apart.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import date

from dataflow.core.model_names import is_same_model
from dataflow.errors import ConfigError, Failure
from dataflow.serving.api.connection import Connection
from dataflow.serving.api.models import known_model, replacement

log = logging.getLogger(__name__)

UNSERVED_SECONDS = 120.0  # with no reply but HTTP 503, after which the list of models is read


class Presence:
    """What is known about the model of one serving. Lives on the event loop, but for `begin`.

    Args:
        model: its name as the user wrote it.
        strict: whether answers of another model stop the run.
        batch: whether requests go into batch files. A refused file costs nothing, so no request needs to go first.
    """

    def __init__(self, model: str, *, strict: bool = False, batch: bool = False) -> None:
        self._model = model
        self._strict = strict
        self._is_retired = self._has_warned = False
        self._proven = batch  # whether the model has answered, or need not before further requests go out
        self._unserved_since: float | None = None  # monotonic seconds

    def begin(self, today: date) -> None:
        """Warn once if the model is retired on this day."""
        known = known_model(self._model)
        self._is_retired = known is not None and known.is_gone(today)
        if known is None or not self._is_retired or self._has_warned:
            return
        self._has_warned = True
        log.warning(
            '%s was %s: it is asked for as it is written, since a gateway may still serve it. Its successor is'
            ' model_name="%s"',
            self._model, known.end, known.successor,
        )  # fmt: skip

    @property
    def one_at_a_time(self) -> bool:
        """Whether requests must go out one at a time, since the first reply may stop the run."""
        return (self._strict or self._is_retired) and not self._proven

    async def check(self, connections: Sequence[Connection]) -> None:
        """Search the lists of the addresses for a retired model, before anything is paid.

        Args:
            connections: to all addresses.

        Raises:
            ConfigError: no address lists the model.
        """
        if self._is_retired and await self._is_listed(connections) is False:
            raise ConfigError(f"{_named(connections)} does not list the model {self._model}{self._advice}")

    async def settle(
        self, failure: Failure | None, connections: Sequence[Connection], now: float, patience: float
    ) -> Failure | None:
        """Decide whether the end of an attempt means that the model is gone.

        Args:
            failure: how the attempt ended; None for an answer.
            connections: to all addresses, whose lists may be read.
            now: monotonic seconds.
            patience: seconds for which replies of HTTP 503 alone count as an overload.

        Returns:
            The failure, fatal where the model is gone; None for an answer.
        """
        if failure is None or failure.kind == "refused":
            self._proven = True
        elif failure.unconfirmed == "channel" and self._is_retired and not self._proven:
            return failure.last_word("fatal")
        if failure is None or failure.unconfirmed != "unserved":
            self._unserved_since = None
            return failure
        if self._unserved_since is None:
            self._unserved_since = now
        if now - self._unserved_since < patience:
            return failure
        self._unserved_since = now  # so the list is read at most once in that time
        if await self._is_listed(connections) is not False:
            return failure
        since = f"for {patience / 60:g} minutes {_named(connections)} has answered nothing but HTTP 503"
        gone = f"{since}, and does not list the model {self._model}{self._advice}; what was answered is kept"
        return failure.last_word("fatal", gone)

    @property
    def _advice(self) -> str:
        successor = replacement(self._model)
        return (
            f" ({successor})"
            if successor
            else ": name one that it serves in model_name (of a command: --model or --judge_model)"
        )

    async def _is_listed(self, connections: Sequence[Connection]) -> bool | None:
        """Whether an address lists the model; None: it is not known, since not every list is complete."""
        lists = await asyncio.gather(*(connection.listed_models() for connection in connections))
        if any(is_same_model(self._model, name) for names in lists for name in names or ()):
            return True
        return False if all(map(_is_complete, lists)) else None


def _is_complete(names: frozenset[str] | None) -> bool:
    """Whether a model that the list lacks is not served.

    A list with a wildcard lacks served models; one without any known name may have names of its own for them.
    """
    return names is not None and not any("*" in name for name in names) and any(map(known_model, names))


def _named(connections: Sequence[Connection]) -> str:
    return " and ".join(connection.wire.address for connection in connections)
