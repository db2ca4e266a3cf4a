"""TCP connections for the HTTP library that pass on received bytes in large pieces.

By itself the library reads 64 KiB at a time, and over TLS one record of 16 KiB: 150 pieces for a picture of 1.8 MB,
each through ten calls. asyncio reads 256 KiB at a time, and these streams pass its pieces on as they are.
benchmarks/README.md has the CPU time that this saves.
"""

import asyncio
import select
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpcore2
import httpx2

_MAX_WAITING = 64 << 10  # received bytes that nobody has taken, from which on no more are read from the socket
_NAMES = {"client_addr": "sockname", "server_addr": "peername"}

Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


def use_large_pieces(client: httpx2.AsyncClient) -> None:
    """Have a client open its connections, those to proxies included, by `Connections`.

    A client whose transports are of another kind keeps them.
    """
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = Connections()


class Connections(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections; the contract is the HTTP library's."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Open a connection to the first of a host's addresses that takes one."""
        local = None if local_address is None else (local_address, 0)
        with _library_errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                loop = asyncio.get_running_loop()
                transport, receiver = await loop.create_connection(
                    _Receiver, host, port, local_addr=local, happy_eyeballs_delay=0.25
                )
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return _Stream(transport, receiver)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Receiver(asyncio.Protocol):
    """Keeps received bytes until `take` takes them, and knows whether more bytes can be sent.

    Attributes:
        ended: whether the connection receives nothing more.
        error: that ended the connection; None: the other side closed it, or it is open.
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
        """Receive from this transport from now on: TLS replaces the transport of a connection."""
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # a write ends when the system has taken it

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MAX_WAITING and not self._paused and self._transport is not None:
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
        """Wait for bytes, and take all that were received; empty: the connection has ended.

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
        """Wait until the system has taken the bytes that were written.

        Raises:
            OSError: the connection broke.
        """
        await self._may_send.wait()
        if self.error is not None:
            raise self.error

    @property
    def is_readable(self) -> bool:
        """Whether `take` would return at once, be it with bytes or with the end."""
        return self.ended or bool(self._parts)


class _Stream(httpcore2.AsyncNetworkStream):
    """One connection as the HTTP library wants it.

    Args:
        transport: of the connection.
        receiver: of its bytes.
    """

    def __init__(self, transport: asyncio.Transport, receiver: _Receiver) -> None:
        self._transport = transport
        self._receiver = receiver

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """All received bytes, also where they are more than `max_bytes`: the HTTP library takes any number."""
        with _library_errors(httpcore2.ReadTimeout, httpcore2.ReadError):
            async with asyncio.timeout(timeout):
                return await self._receiver.take()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _library_errors(httpcore2.WriteTimeout, httpcore2.WriteError):
            async with asyncio.timeout(timeout):
                self._transport.write(buffer)
                await self._receiver.sent()

    async def aclose(self) -> None:
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        with _library_errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                async with asyncio.timeout(timeout):
                    loop, plain = asyncio.get_running_loop(), self._transport
                    secure = await loop.start_tls(plain, self._receiver, ssl_context, server_hostname=server_hostname)
            except BaseException:
                await self.aclose()
                raise
        assert secure is not None
        self._receiver.follow(secure)
        return _Stream(secure, self._receiver)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._receiver.is_readable or _is_readable(self._transport.get_extra_info("socket").fileno())
        return self._transport.get_extra_info(_NAMES.get(info, info))


def _is_readable(descriptor: int) -> bool:
    """Whether a socket has bytes, or its end, that asyncio has not read yet; a closed socket has its end."""
    waiting = select.poll()
    if descriptor >= 0:
        waiting.register(descriptor, select.POLLIN)
    return descriptor < 0 or bool(waiting.poll(0))


@contextmanager
def _library_errors(timeout: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Raise the system's errors as those of the HTTP library.

    Args:
        timeout: the library's class for a time-out.
        broken: the library's class for any other error of the connection.
    """
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
