"""Fetches what a server or a file of strangers names by URL, without a key and from public hosts only.

Such a URL may point into our own network. So every IP address to which its host resolves must be public, and exactly
the checked addresses are dialled, one after another until one takes the connection: `localhost` and many public names
have an address of IPv6 and one of IPv4. Where a proxy is used the proxy dials, so the check covers only names that
resolve here. Hosts that the user names need not be public, nor need the server that sent the URL, under any of its
names.
"""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from dataflow.serving.api.address import is_private
from dataflow.serving.api.failures.attempts import escape
from dataflow.serving.api.failures.waits import requested_wait
from dataflow.serving.api.http.hosts import FAKE_ADDRESSES, NamedHosts, is_public

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 64 << 20
MAX_REDIRECTS = 3
SECONDS = 30.0  # for a whole download, redirects included
_CONNECT_SECONDS = 5.0  # to one address of a host that has further ones
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class NotFetched(Exception):
    """A URL could not be fetched.

    Args:
        reason: one phrase: of a refused URL the place it names ("at 10.0.0.1:80, which is not ..."), else the error.
        refused: whether the URL is one that may not be fetched, so that another try cannot help.
        status: HTTP status; 0: no reply came.
        wait: seconds for which the server asks us to wait before another try.
    """

    def __init__(self, reason: str, *, refused: bool = False, status: int = 0, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.refused, self.status, self.wait = reason, refused, status, wait


class PublicFetcher:
    """Fetches from public hosts.

    Args:
        own_address: of the server that sends the URLs. Its host and port may be private, since a gateway serves its own
            pictures. Empty: no server may.
        hosts: further hosts that may be private, as `NamedHosts` takes them.

    Raises:
        ConfigError: an entry of `hosts` is no host.
    """

    def __init__(self, own_address: str = "", hosts: Sequence[str] = ()) -> None:
        self._own_address = own_address
        self._hosts = NamedHosts(hosts)

    async def fetch(self, url: str) -> bytes:
        """The bytes at a URL, at most 64 MiB, within 30 s.

        Args:
            url: of http or https; one that begins with `/` is a path of the server at `own_address`.

        Raises:
            NotFetched: the URL may not be fetched, or could not be fetched this time.
        """
        import httpx2

        try:
            async with asyncio.timeout(SECONDS):
                target = httpx2.URL(self._own_address).join(url) if url.startswith("/") else httpx2.URL(url)
                for _ in range(MAX_REDIRECTS + 1):
                    body = await self._get(target)
                    if isinstance(body, bytes):
                        return body
                    target = target.join(body)
        except httpx2.InvalidURL as error:
            raise NotFetched("by an address that is none", refused=True) from error
        except (ImportError, ValueError) as error:  # the HTTP library opens the proxies of the environment
            reason = f"through a proxy that cannot be used ({escape(str(error))}): see HTTPS_PROXY"
            raise NotFetched(reason, refused=True) from error
        except (TimeoutError, httpx2.HTTPError, OSError) as error:
            raise NotFetched(str(error) or type(error).__name__) from error
        raise NotFetched("too many redirects")

    async def close(self) -> None:
        """Close the connections."""
        for name in ("_direct", "_proxied"):
            if client := self.__dict__.pop(name, None):
                await client.aclose()

    async def _get(self, url: "httpx2.URL") -> bytes | str:
        """The body at a URL, or the URL to which it redirects."""
        import httpx2

        if not url.scheme:
            raise NotFetched(f"by a link without a host ({escape(str(url))})", refused=True)
        if url.scheme not in ("http", "https") or not url.host:
            raise NotFetched("by an address that is not http(s)", refused=True)
        proxied = {url.scheme, "all"}.intersection(urllib.request.getproxies())
        through_proxy = bool(proxied) and not urllib.request.proxy_bypass(url.host)
        addresses = await self._checked(url, by_proxy=through_proxy)
        if through_proxy:
            return await self._get_from(url, url, self._proxied)
        *further, last = addresses
        for address in further:
            with suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await self._get_from(url, url.copy_with(host=address), self._direct, connect=_CONNECT_SECONDS)
        return await self._get_from(url, url.copy_with(host=last), self._direct)

    async def _get_from(
        self, url: "httpx2.URL", dialled: "httpx2.URL", client: "httpx2.AsyncClient", *, connect: float = SECONDS
    ) -> bytes | str:
        """As `_get`, from one IP address.

        Args:
            url: to fetch; its host goes into the header, and into the check of the certificate.
            dialled: the same URL with the checked IP address in place of the host.
            client: sends the request.
            connect: seconds for connecting.
        """
        import httpx2

        headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        async with client.stream(
            "GET",
            dialled,
            headers=headers,
            extensions={"sni_hostname": url.host},
            follow_redirects=False,
            timeout=httpx2.Timeout(SECONDS, connect=connect),
        ) as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return response.headers["location"]
            if response.status_code != 200:
                raise _answered(response)
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise NotFetched(f"more than {MAX_BYTES >> 20} MiB", status=response.status_code)
            return bytes(body)

    async def _checked(self, url: "httpx2.URL", *, by_proxy: bool) -> list[str]:
        """The IP addresses of a URL's host, all of which may be dialled.

        Args:
            url: to fetch.
            by_proxy: whether a proxy dials. Then the name need not resolve here, and may resolve to a fake address.

        Raises:
            NotFetched: one of the addresses is not public.
            socket.gaierror: the name has no address.
        """
        import httpx2

        own, port = httpx2.URL(self._own_address), _port(url)
        try:
            addresses = await _addresses(url)
        except socket.gaierror:
            if by_proxy:
                return [url.host]
            raise
        if url.netloc == own.netloc or self._hosts.has_name(url.host, port):
            return addresses
        private = [address for address in addresses if not (is_public(address) or self._hosts.has_address(address))]
        if by_proxy and url.host not in private:
            private = [address for address in private if not FAKE_ADDRESSES.holds(address)]
        if not private:
            return addresses
        # Our server may have several names: what answers at its address and port is our server. That holds only where
        # `own_address` itself is private; who owns a public name could let it point at any private address.
        if own.host and port == _port(own) and is_private(own.host):
            with suppress(socket.gaierror):
                own_addresses = await _addresses(own)
                if common := [address for address in addresses if address in own_addresses]:
                    return common
        raise NotFetched(_where(url.host, port, private[0]), refused=True)

    @cached_property
    def _direct(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(timeout=SECONDS, trust_env=False)

    @cached_property
    def _proxied(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(timeout=SECONDS)


def _answered(response: "httpx2.Response") -> NotFetched:
    status = response.status_code
    headers = {name.lower(): value for name, value in response.headers.items()}
    wait = requested_wait(headers, "", now=time.time(), limited=status == 429)
    return NotFetched(f"HTTP {status}", status=status, wait=wait)


def _port(url: "httpx2.URL") -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def _addresses(url: "httpx2.URL") -> list[str]:
    entries = await asyncio.get_running_loop().getaddrinfo(url.host, _port(url), type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries))


def _where(host: str, port: int, address: str) -> str:
    """A phrase that names a host which is not public, and the setting that allows it."""
    if FAKE_ADDRESSES.holds(address) and host != address:
        return (
            f"at {host}, which is not a public address: {address} is a fake-IP proxy's stand-in; "
            f"set {_setting(str(FAKE_ADDRESSES))} to let the proxy dial, or leave the proxy, then run again"
        )
    named = f"[{host}]" if ":" in host else host
    return (
        f"at {host}:{port}, which is not a public address"
        f"; if it is your own server, set {_setting(f'{named}:{port}')}, then run again"
    )


def _setting(host: str) -> str:
    return f'picture_hosts=["{host}"] (--picture_hosts {host})'
