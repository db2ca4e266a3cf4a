"""Fetches pictures from http(s) addresses: from public hosts alone, and a few at a time from each host.

If a host asks to wait, all its addresses wait. A host that has not answered many times in a row is asked only now and
then: otherwise the time-outs of its addresses would delay those of other hosts for hours.
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
"""Requests at once to one host: a browser sends six."""

LONGEST_WAIT = 120.0
"""Seconds that an address waits if its host asks to wait; where the host asks for more, the next import tries again."""

SILENT = 16
"""Addresses of a host in a row without an answer, after which its other addresses are not tried."""

PROBE = 30.0
"""Seconds after which one address of such a host is tried again."""

# A later try may succeed; 0: no answer.
_PASSING = frozenset((0, 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))


@dataclass(slots=True)
class _Host:
    """The state of one host; only the event loop uses it.

    Attributes:
        places: limits the requests at once.
        free_at: time of the loop's clock before which the host asks for no request.
        silent: addresses in a row without an answer.
        probe_at: time of the loop's clock at which a silent host is asked again.
    """

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    free_at: float = 0.0
    silent: int = 0
    probe_at: float = 0.0


class Http(Fetcher):
    """Fetches from public hosts, and from the private hosts that the user names.

    Args:
        hosts: private hosts that are allowed; see `dataflow.serving.api.http.hosts.NamedHosts`.
        waits: seconds before the second and each further try; a random part of them, from half to all, is waited.

    Raises:
        ConfigError: one of `hosts` is no host.
    """

    def __init__(self, hosts: Sequence[str] = (), *, waits: Sequence[float] = (0.5, 2.0, 8.0)) -> None:
        self._fetcher = PublicFetcher(hosts=hosts)
        self._waits = waits
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._running: set[Future[bytes]] = set()

    @classmethod
    def opened(cls, hosts: Sequence[str] = ()) -> "Http":
        """Make a fetcher."""
        return cls(hosts)

    def fetch(self, url: str) -> bytes:
        """The bytes at an address.

        Raises:
            RowError: the address is refused, or gave nothing in four tries.
            NotTried: the host never answers, or asks for a long wait; or the import ends.
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
        """Cancel the fetches that run, and close the connections."""
        for future in list(self._running):
            future.cancel()
        submit(self._fetcher.close()).result()

    async def _fetch(self, url: str) -> bytes:
        """Try an address until it answers, is refused, or the tries are used up."""
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
        """Try an address once, after the wait that its host asks for; updates the state of the host."""
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
    """The error of a row whose picture was not fetched."""
    if error.refused:
        return RowError(f"it {'lies' if error.reason.startswith('at ') else 'is named'} {error.reason}")
    if error.wait > LONGEST_WAIT:
        return NotTried(f"{error.reason}, and its host asks to wait for {error.wait:,.0f} s: import it again later")
    return RowError(error.reason)
