"""One address of a serving: how it is asked, what it is asked through, and what it was seen to refuse."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.serving.api.http.body import LargeBuffers
from dataflow.serving.api.http.endpoint import Endpoint
from dataflow.serving.api.http.fetch import PictureFetcher
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import Wire, wire_of


@dataclass(slots=True, eq=False)
class Connection:
    """One address, open.

    Args:
        address: normalised.
        wire: how it is asked.
        endpoint: its connections.
        fetcher: gets the pictures that its replies only name.
        refused: fields it refused by name; they are left out from then on.
    """

    address: str
    wire: Wire
    endpoint: Endpoint
    fetcher: PictureFetcher
    refused: frozenset[str] = frozenset()

    async def close(self) -> None:
        """Close the connections."""
        await self.fetcher.close()
        await self.endpoint.close()


async def connect(settings: Sequence[ApiSettings], *, width: int) -> list[Connection]:
    """A connection to each of several addresses, which share the memory for large replies; nothing is sent yet.

    Args:
        settings: one address each.
        width: most requests in flight.

    Raises:
        ConfigError: there is no address or no key.
    """
    large = LargeBuffers()
    return [await _connect(each, width, large) for each in settings]


async def _connect(settings: ApiSettings, width: int, large: LargeBuffers) -> Connection:
    address = settings.read_address()
    wire = wire_of(settings)
    endpoint = await asyncio.to_thread(
        Endpoint,
        address,
        settings.read_key(),
        key_header=wire.key_header,
        width=width,
        timeout=settings.timeout,
        connect=settings.connect_timeout,
        openai_account=wire.provider.openai_account,
        large=large,
    )
    return Connection(address, wire, endpoint, PictureFetcher(address))
