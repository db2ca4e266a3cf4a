"""Whether the model that a serving asks for is there at all.

A retired name is sent as it is written, since a gateway may serve a model for longer than its provider does. It is told
once, looked for in the list of the address, and asked for alone until one answer has come, so that a name which is
served no more costs one request. Where a gateway withdraws a model, it answers HTTP 503 as if it were overloaded: its
list tells the two apart.
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

UNSERVED_SECONDS = 120.0  # of nothing but HTTP 503, until the list of models is asked


class Presence:
    """What is known of the model that one serving asks for. Lives on the event loop, but for `begin`.

    Args:
        model: as the user wrote it.
        strict: only its own answers count.
        batch: requests go into files, whose refusal costs nothing: none is sent alone.
    """

    def __init__(self, model: str, *, strict: bool = False, batch: bool = False) -> None:
        self._model = model
        self._strict = strict
        self._is_retired = self._told = False
        self._proven = batch
        self._unserved_since: float | None = None

    def begin(self, today: date) -> None:
        """Tell once that the model is retired, if it is on this day."""
        known = known_model(self._model)
        self._is_retired = known is not None and known.is_gone(today)
        if known is None or not self._is_retired or self._told:
            return
        self._told = True
        log.warning(
            '%s was %s: it is asked for as it is written, since a gateway may still serve it. Its successor is'
            ' model_name="%s"',
            self._model, known.end, known.successor,
        )  # fmt: skip

    @property
    def alone(self) -> bool:
        """Whether one request at a time goes out, since the first answer may be that no other should."""
        return (self._strict or self._is_retired) and not self._proven

    async def check(self, connections: Sequence[Connection]) -> None:
        """Look for a retired name in the lists of the addresses, before anything is paid.

        Raises:
            ConfigError: no address lists it.
        """
        if self._is_retired and await self._is_listed(connections) is False:
            raise ConfigError(f"{_named(connections)} does not list the model {self._model}{self._advice}")

    async def settle(
        self, failure: Failure | None, connections: Sequence[Connection], now: float, patience: float
    ) -> Failure | None:
        """What to make of the end of an attempt, as far as it may mean that the model is gone.

        Args:
            failure: how it ended; None for an answer.
            connections: to ask for their lists.
            now: monotonic seconds.
            patience: seconds of nothing but HTTP 503 that are taken for an overload.
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
        self._unserved_since = now  # the list is asked once in that time
        if await self._is_listed(connections) is not False:
            return failure
        since = f"for {patience / 60:g} minutes {_named(connections)} has answered nothing but HTTP 503"
        gone = f"{since}, and does not list the model {self._model}{self._advice}; what was answered is kept"
        return failure.last_word("fatal", gone)

    @property
    def _advice(self) -> str:
        successor = replacement(self._model)
        return f" ({successor})" if successor else ": name one that it serves in model_name"

    async def _is_listed(self, connections: Sequence[Connection]) -> bool | None:
        """Whether an address lists the model; None: not all have a list that tells."""
        lists = await asyncio.gather(*(connection.listed_models() for connection in connections))
        if any(is_same_model(self._model, name) for names in lists for name in names or ()):
            return True
        return False if all(map(_tells, lists)) else None


def _tells(names: frozenset[str] | None) -> bool:
    """Whether what a list lacks is not served: not with a wildcard in it, nor where all of it may be its own names."""
    return names is not None and not any("*" in name for name in names) and any(map(known_model, names))


def _named(connections: Sequence[Connection]) -> str:
    return " and ".join(connection.wire.address for connection in connections)
