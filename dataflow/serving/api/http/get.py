"""Short GETs that cost nothing, and whose failures are values.

One timeout bounds each whole exchange: a client's own timeouts begin anew with each byte that a server sends. The SDK
is not used, since it takes most of a second to load.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib import request
from urllib.parse import urlsplit

from dataflow.serving.api.http.environment import ClientSettings, client_settings
from dataflow.utils.network import passes_proxies

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 8 << 20  # of a reply; the description of a server with many paths has some hundred kilobytes


@dataclass(frozen=True, slots=True)
class Found:
    """The end of one GET.

    Args:
        status: HTTP status; 0: no reply came, or none in time.
        body: the whole body of a reply of HTTP 200, of at most `MAX_BYTES`; else empty.
        late: whether the server took the connection, and the whole reply did not come in time.
        cut: whether the server took the connection, and ended it without a whole reply.
    """

    status: int = 0
    body: bytes = b""
    late: bool = False
    cut: bool = False


async def get_all(urls: Sequence[str], headers: Mapping[str, str], *, timeout: float) -> list[Found]:
    """GET several URLs of one server at the same time.

    Args:
        urls: all of one host.
        headers: of every request, the key's among them.
        timeout: seconds for each GET, of which connecting may take half.

    Returns:
        What each GET found, in the order of `urls`.
    """
    import httpx2

    if not urls:
        return []
    limits = httpx2.Timeout(None, connect=timeout / 2)  # a server that takes no connection is not late, but not there
    plain = {**headers, "Accept-Encoding": "identity"}  # a few packed bytes may unpack to gigabytes
    client_of = partial(httpx2.AsyncClient, timeout=limits, headers=plain)
    # In a thread, since the client reads certificates.
    async with await asyncio.to_thread(lambda: client_of(**_settings(urls[0]))) as client:
        return await asyncio.gather(*(_get(client, url, timeout) for url in urls))


def _settings(url: str) -> ClientSettings:
    host = urlsplit(url).hostname or ""
    if url.startswith("http://") and (passes_proxies(host) or not request.getproxies()):
        return {"trust_env": False, "verify": False}  # nothing is encrypted, so the 30 ms of certificates are saved
    return client_settings(host)


async def _get(client: "httpx2.AsyncClient", url: str, timeout: float) -> Found:
    import httpx2

    body = bytearray()
    try:
        async with asyncio.timeout(timeout), client.stream("GET", url) as response:
            if response.status_code == 200:
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > MAX_BYTES:
                        return Found(response.status_code)
            return Found(response.status_code, bytes(body))
    except TimeoutError:
        return Found(late=True)
    except (httpx2.ReadError, httpx2.RemoteProtocolError):
        return Found(cut=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError, ValueError):
        return Found()
