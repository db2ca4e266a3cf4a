"""Pictures that a reply names by address: fetched without the key, from public hosts only.

A reply is a stranger's text, so an address in it may point into our own network. Every address a
host resolves to must be global, and the one that was checked is the one that is dialled. Behind a
proxy the proxy dials, so there the check covers only what resolves here.
"""

import asyncio
import ipaddress
import socket
import urllib.request
from functools import cached_property
from typing import TYPE_CHECKING

from dataflow.errors import AnswerError, Failure

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 64 << 20
MAX_REDIRECTS = 3
SECONDS = 30.0
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# All of IPv6 that is routed in public; the rest of it holds translations of IPv4 addresses that dial those.
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
# Inside every Azure machine. Source: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM_V4 = ipaddress.ip_address("168.63.129.16")


class PictureFetcher:
    """Fetches pictures named in replies.

    Args:
        own_address: the api_url, whose host and port may be private: a gateway serves its own pictures.
    """

    def __init__(self, own_address: str) -> None:
        self._own_address = own_address

    async def fetch(self, url: str) -> bytes:
        """The bytes at an address, at most 64 MiB, within 30 s.

        Raises:
            AnswerError: refused, since the address is no http(s) one or not a public one; or not fetched this time.
        """
        import httpx2

        try:
            async with asyncio.timeout(SECONDS):
                target = httpx2.URL(url)
                for _ in range(MAX_REDIRECTS + 1):
                    found = await self._get(target)
                    if isinstance(found, bytes):
                        return found
                    target = target.join(found)
        except httpx2.InvalidURL as error:
            raise _refused("by an address that is none") from error
        except (TimeoutError, httpx2.HTTPError, OSError) as error:
            raise _not_fetched(str(error) or type(error).__name__) from error
        raise _not_fetched("too many redirects")

    async def close(self) -> None:
        """Close the connections."""
        for name in ("_direct", "_proxied"):
            if client := self.__dict__.pop(name, None):
                await client.aclose()

    async def _get(self, url: "httpx2.URL") -> bytes | str:
        """The body, or where a redirect leads."""
        if url.scheme not in ("http", "https") or not url.host:
            raise _refused("by an address that is not http(s)")
        through_proxy = url.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(url.host)
        address = await self._checked(url, may_be_unknown=through_proxy)
        client = self._proxied if through_proxy else self._direct
        dialled = url if through_proxy else url.copy_with(host=address)
        headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        async with client.stream(
            "GET", dialled, headers=headers, extensions={"sni_hostname": url.host}, follow_redirects=False
        ) as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return response.headers["location"]
            if response.status_code != 200:
                raise _not_fetched(f"HTTP {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise _not_fetched(f"more than {MAX_BYTES >> 20} MiB")
            return bytes(body)

    async def _checked(self, url: "httpx2.URL", *, may_be_unknown: bool) -> str:
        """One of the host's addresses, all of which are allowed."""
        import httpx2

        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            if may_be_unknown:
                return url.host
            raise
        addresses = [str(entry[4][0]) for entry in found]
        if url.netloc != httpx2.URL(self._own_address).netloc and not all(map(_is_public, addresses)):
            raise _refused(f"at {url.host}, which is not a public address")
        return addresses[0]

    @cached_property
    def _direct(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(timeout=SECONDS, trust_env=False)

    @cached_property
    def _proxied(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(timeout=SECONDS)


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None:
            return ip in _PUBLIC_V6 and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and ip != _PLATFORM_V4


def _refused(where: str) -> AnswerError:
    return AnswerError(Failure("refused", f"the reply names a picture {where}", maybe_paid=True))


def _not_fetched(why: str) -> AnswerError:
    reason = f"the picture that the reply names could not be fetched: {why}"
    return AnswerError(Failure("retry", reason, retries=1, maybe_paid=True))
