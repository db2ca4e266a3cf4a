"""One address of a serving: how it is asked, what it is asked through, and what it was seen to refuse."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.serving.api.http.body import LargeBuffers
from dataflow.serving.api.http.endpoint import Endpoint
from dataflow.serving.api.http.fetch import PictureFetcher
from dataflow.serving.api.wire import Wire


@dataclass(slots=True, eq=False)
class Connection:
    """One address, open.

    Args:
        wire: how it is asked.
        endpoint: its connections.
        fetcher: gets the pictures that its replies only name.
        refused: fields it refused by name; they are left out from then on.
    """

    wire: Wire
    endpoint: Endpoint
    fetcher: PictureFetcher
    refused: frozenset[str] = frozenset()

    async def close(self) -> None:
        """Close the connections."""
        await self.fetcher.close()
        await self.endpoint.close()


async def connect(wires: Sequence[Wire], *, width: int) -> list[Connection]:
    """A connection to each of several addresses, which share the memory for large replies; nothing is sent yet.

    Args:
        wires: how each is asked.
        width: most requests in flight.

    Raises:
        ConfigError: there is no key.
    """
    large = LargeBuffers()
    return [await _connect(wire, width, large) for wire in wires]


async def _connect(wire: Wire, width: int, large: LargeBuffers) -> Connection:
    endpoint = await asyncio.to_thread(
        Endpoint,
        wire.address,
        wire.headers(),
        secret=wire.read_key(),
        width=width,
        timeout=wire.settings.timeout,
        connect=wire.settings.connect_timeout,
        large=large,
    )
    return Connection(wire, endpoint, PictureFetcher(wire.address))
