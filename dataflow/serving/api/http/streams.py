"""Connections that hand on what has arrived in as few pieces as there are.

The HTTP library takes 64 KiB at a time through a general layer, and over TLS one record of 16 KiB: 150 pieces for a
picture of 1.8 MB, each through ten calls. asyncio reads 256 KiB at once, and these streams pass that on as it is. What
that saves stands in benchmarks/README.md.
"""

import asyncio
import select
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpcore2
import httpx2

_MOST_AHEAD = 64 << 10  # bytes that wait to be taken before reading stops; one piece more may be on the way
_NAMES = {"client_addr": "sockname", "server_addr": "peername"}

Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


def hand_on_large_pieces(client: httpx2.AsyncClient) -> None:
    """Have this client, proxies included, open connections with `Connections`; one of another make stays as it is."""
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = Connections()


class Connections(httpcore2.AsyncNetworkBackend):
    """Opens connections over TCP."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """As the HTTP library asks for one; the first of a host's addresses that answers is taken."""
        local = None if local_address is None else (local_address, 0)
        with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                loop = asyncio.get_running_loop()
                transport, arrived = await loop.create_connection(
                    _Arrived, host, port, local_addr=local, happy_eyeballs_delay=0.25
                )
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return _Stream(transport, arrived)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Arrived(asyncio.Protocol):
    """What has arrived and was not taken yet, and whether more can be sent.

    Attributes:
        ended: nothing more arrives.
        error: what ended it, unless the other side did.
    """

    def __init__(self) -> None:
        self.ended = False
        self.error: Exception | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._change = asyncio.Event()
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._transport: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.follow(cast("asyncio.Transport", transport))

    def follow(self, transport: asyncio.Transport) -> None:
        """Take what arrives over this one from now on."""
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # a write ends when the system has taken it

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MOST_AHEAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._change.set()

    def eof_received(self) -> None:
        self.ended = True
        self._change.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.error = True, exc
        self._change.set()
        self._may_send.set()

    def pause_writing(self) -> None:
        self._may_send.clear()

    def resume_writing(self) -> None:
        self._may_send.set()

    async def take(self) -> bytes:
        """All that is there, at least something; empty at the end.

        Raises:
            OSError: the connection broke.
        """
        if not self._parts and not self.ended:
            self._change.clear()
            await self._change.wait()
        if not self._parts and self.error is not None:
            raise self.error
        taken = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._size = [], 0
        if self._paused and not self.ended and self._transport is not None:
            self._transport.resume_reading()
        self._paused = False
        return taken

    async def sent(self) -> None:
        """Wait until what was written is on its way.

        Raises:
            OSError: the connection broke.
        """
        await self._may_send.wait()
        if self.error is not None:
            raise self.error

    @property
    def has_news(self) -> bool:
        """Whether anything waits to be taken, its end included."""
        return self.ended or bool(self._parts)


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, transport: asyncio.Transport, arrived: _Arrived) -> None:
        self._transport = transport
        self._arrived = arrived

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, however much that is: the HTTP library takes any number of bytes."""
        with _raising(httpcore2.ReadTimeout, httpcore2.ReadError):
            async with asyncio.timeout(timeout):
                return await self._arrived.take()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _raising(httpcore2.WriteTimeout, httpcore2.WriteError):
            async with asyncio.timeout(timeout):
                self._transport.write(buffer)
                await self._arrived.sent()

    async def aclose(self) -> None:
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                async with asyncio.timeout(timeout):
                    loop, plain = asyncio.get_running_loop(), self._transport
                    secure = await loop.start_tls(plain, self._arrived, ssl_context, server_hostname=server_hostname)
            except BaseException:
                await self.aclose()
                raise
        assert secure is not None
        self._arrived.follow(secure)
        return _Stream(secure, self._arrived)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._arrived.has_news or _is_readable(self._transport.get_extra_info("socket").fileno())
        return self._transport.get_extra_info(_NAMES.get(info, info))


def _is_readable(descriptor: int) -> bool:
    """Whether something has arrived that asyncio has not read yet; so it is for a connection that was closed."""
    waiting = select.poll()
    if descriptor >= 0:
        waiting.register(descriptor, select.POLLIN)
    return descriptor < 0 or bool(waiting.poll(0))


@contextmanager
def _raising(timeout: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Errors in the words of the HTTP library."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
