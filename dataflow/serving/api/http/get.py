"""What lies at an address: GETs that cost nothing, are short, and free to fail.

One clock bounds the whole of each exchange: not all that a server sends byte by byte is in a client's timeouts. The
SDK, which takes most of a second to load, has no part in it.
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

MOST_BYTES = 8 << 20  # of a reply; the description of a server with many paths has some hundred kilobytes


@dataclass(frozen=True, slots=True)
class Found:
    """What one GET found.

    Args:
        status: HTTP status; 0: nobody answered.
        body: whole, of a reply of HTTP 200; else empty.
        late: a connection was taken, and the reply did not come whole in time.
        cut: a connection was taken, and ended without a whole reply.
    """

    status: int = 0
    body: bytes = b""
    late: bool = False
    cut: bool = False


async def get_all(urls: Sequence[str], headers: Mapping[str, str], *, timeout: float) -> list[Found]:
    """What lies at several places of one server, which are asked at the same time.

    Args:
        urls: all of one host.
        headers: of every request, the key's among them.
        timeout: seconds for each of them; half of it for the connection.
    """
    import httpx2

    if not urls:
        return []
    limits = httpx2.Timeout(None, connect=timeout / 2)  # one that takes no connection is not late but away
    plain = {**headers, "Accept-Encoding": "identity"}  # a few packed bytes may be gigabytes
    opened = partial(httpx2.AsyncClient, timeout=limits, headers=plain)
    async with await asyncio.to_thread(lambda: opened(**_settings(urls[0]))) as client:  # it reads certificates
        return await asyncio.gather(*(_get(client, url, timeout) for url in urls))


def _settings(url: str) -> ClientSettings:
    host = urlsplit(url).hostname or ""
    if url.startswith("http://") and (passes_proxies(host) or not request.getproxies()):
        return {"trust_env": False, "verify": False}  # nothing is encrypted, and to read the certificates takes 30 ms
    return client_settings(host)


async def _get(client: "httpx2.AsyncClient", url: str, timeout: float) -> Found:
    import httpx2

    body = bytearray()
    try:
        async with asyncio.timeout(timeout), client.stream("GET", url) as response:
            if response.status_code == 200:
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > MOST_BYTES:
                        return Found(response.status_code)
            return Found(response.status_code, bytes(body))
    except TimeoutError:
        return Found(late=True)
    except (httpx2.ReadError, httpx2.RemoteProtocolError):
        return Found(cut=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError, ValueError):
        return Found()
