"""Pictures at http(s) addresses: by the rules for what strangers name, a few at a time from each host.

A host that says when to come again is left alone for so long, with all its addresses; one that says nothing many times
in a row is asked again only now and then, or its dead addresses would hold up those of others for hours.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dataflow.core.loop import submit
from dataflow.errors import RowError
from dataflow.ingest.fetchers import Fetcher, NotTried
from dataflow.serving.api.http.public import NotFetched, PublicFetcher

AT_ONCE = 8
"""From one host: what a browser allows itself, and a little more."""

LONGEST_WAIT = 120.0
"""Seconds that an address waits for a host that says when to come again; a longer wait is the next import's."""

SILENT = 16
"""So many addresses of a host in a row without any answer: its others are not tried."""

PROBE = 30.0
"""Seconds after which one of them is tried all the same."""

_PASSING = frozenset((0, 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))


@dataclass(slots=True)
class _Host:
    """One host, as it is seen on the loop.

    Attributes:
        places: as many addresses at once.
        free_at: when it may be asked again, by the loop's clock.
        silent: addresses in a row without an answer.
        probe_at: when a silent host is asked again.
    """

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    free_at: float = 0.0
    silent: int = 0
    probe_at: float = 0.0


class Http(Fetcher):
    """Fetches from public hosts.

    Args:
        hosts: what may be private beside them; see `dataflow.serving.api.http.hosts.NamedHosts`.
        waits: seconds before the second and each further try, half of it up to all of it by chance.

    Raises:
        ConfigError: one of `hosts` is none.
    """

    def __init__(self, hosts: Sequence[str] = (), *, waits: Sequence[float] = (0.5, 2.0, 8.0)) -> None:
        self._fetcher = PublicFetcher(hosts=hosts)
        self._waits = waits
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._running: set[Future[bytes]] = set()

    @classmethod
    def opened(cls, hosts: Sequence[str] = ()) -> "Http":
        """A new one."""
        return cls(hosts)

    def fetch(self, url: str) -> bytes:
        """The bytes at an address.

        Raises:
            RowError: it is refused, or gave nothing in four tries.
            NotTried: its host does not answer at all, or asks for a long wait; or the import ends.
        """
        future = submit(self._fetch(url))
        self._running.add(future)
        try:
            return future.result()
        except NotFetched as error:
            raise _failed(error) from error
        except CancelledError:
            raise NotTried("it was not fetched, since the import ends") from None
        finally:
            self._running.discard(future)

    def close(self) -> None:
        """End what runs, and close the connections."""
        for future in list(self._running):
            future.cancel()
        submit(self._fetcher.close()).result()

    async def _fetch(self, url: str) -> bytes:
        host = self._hosts[urlsplit(url).netloc.lower()]
        waits = iter(self._waits)
        while True:
            try:
                async with host.places:
                    return await self._try(url, host)
            except NotFetched as error:
                wait = next(waits, None)
                if wait is None or error.refused or error.status not in _PASSING or error.wait > LONGEST_WAIT:
                    raise
                await asyncio.sleep(max(wait * random.uniform(0.5, 1.0), error.wait))  # noqa: S311 - no secret

    async def _try(self, url: str, host: _Host) -> bytes:
        loop = asyncio.get_running_loop()
        while (wait := host.free_at - loop.time()) > 0:
            await asyncio.sleep(wait)
        if host.silent >= SILENT and loop.time() < host.probe_at:
            raise NotTried(f"it was not tried: its host did not answer {SILENT} times in a row")
        host.probe_at = loop.time() + PROBE
        try:
            found = await self._fetcher.fetch(url)
        except NotFetched as error:
            if not error.refused:
                host.silent = 0 if error.status else host.silent + 1
            host.free_at = max(host.free_at, loop.time() + min(error.wait, LONGEST_WAIT))
            raise
        host.silent = 0
        return found


def _failed(error: NotFetched) -> RowError:
    if error.refused:
        return RowError(f"it {'lies' if error.reason.startswith('at ') else 'is named'} {error.reason}")
    if error.wait > LONGEST_WAIT:
        return NotTried(f"{error.reason}, and its host asks to wait for {error.wait:,.0f} s: import it again later")
    return RowError(error.reason)
