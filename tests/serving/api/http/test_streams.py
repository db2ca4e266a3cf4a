"""Connections as the HTTP library uses them, against real servers on loopback, plain and over TLS."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore2
import httpx2
import pytest

from dataflow.serving.api.http.endpoint import Endpoint
from dataflow.serving.api.http.streams import Connections, use_large_pieces
from dataflow.serving.dialects.reply import Post

PEM = Path(__file__).parents[3] / "kit" / "loopback.pem"  # openssl req -x509 -newkey ec, for 127.0.0.1
LARGE = bytes(range(256)) * 4096  # a megabyte

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, *, tls: bool) -> AsyncIterator[int]:
    """The port of a server of this loop."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def opened(port: int, *, tls: bool, known: bool = True) -> httpcore2.AsyncNetworkStream:
    stream = await Connections().connect_tcp("127.0.0.1", port, timeout=10)
    if not tls:
        return stream
    return await stream.start_tls(ssl.create_default_context(cafile=PEM if known else None), "127.0.0.1", timeout=10)


async def send_it_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(len(LARGE)))
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("tls", [False, True])
def test_megabytes_go_and_come_whole_in_pieces_larger_than_a_record(tls: bool) -> None:
    async def there_and_back() -> list[bytes]:
        async with serving(send_it_back, tls=tls) as port:
            stream = await opened(port, tls=tls)
            for start in range(0, len(LARGE), 100_000):
                await stream.write(LARGE[start : start + 100_000], timeout=10)
            pieces = []
            while piece := await stream.read(1, timeout=10):
                pieces.append(piece)
            assert stream.get_extra_info("is_readable")
            assert (stream.get_extra_info("ssl_object") is not None) == tls
            await stream.aclose()
            return pieces

    pieces = asyncio.run(there_and_back())
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) > 16 << 10


def test_what_arrived_before_a_reset_is_read_before_it_is_told() -> None:
    async def answer_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"whole")
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def ask() -> None:
        async with serving(answer_and_reset, tls=False) as port:
            stream = await opened(port, tls=False)
            await stream.write(b"ask", timeout=10)
            assert await stream.read(1, timeout=10) == b"whole"
            with pytest.raises(httpcore2.ReadError):
                await stream.read(1, timeout=10)

    asyncio.run(ask())


def test_silence_a_closed_port_and_a_strange_certificate_have_the_errors_of_the_library() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask() -> None:
        async with serving(say_nothing, tls=True) as port:
            with pytest.raises(httpcore2.ConnectError, match="certificate"):
                await opened(port, tls=True, known=False)
            stream = await opened(port, tls=True)
            assert not stream.get_extra_info("is_readable")
            with pytest.raises(httpcore2.ReadTimeout):
                await stream.read(1, timeout=0.01)
            await stream.aclose()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            free = taken.getsockname()[1]
        with pytest.raises(httpcore2.ConnectError):
            await opened(free, tls=False)

    asyncio.run(ask())


def test_the_connections_of_an_address_are_these_over_tls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    body = b'{"data": "%b"}' % (b"A" * 2_000_000)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async def ask() -> tuple[str, bytes]:
        async with serving(answer, tls=True) as port:
            endpoint = Endpoint(f"https://127.0.0.1:{port}/v1", {}, width=4, timeout=10.0)
            pool = vars(endpoint._client._client._transport)["_pool"]
            assert isinstance(pool._network_backend, Connections)
            async with endpoint.send(Post("/chat/completions", b"{}")) as attempt:
                return attempt.ending, bytes(attempt.body)

    assert asyncio.run(ask()) == ("answered", body)


def test_a_transport_of_another_make_stays_as_it_is() -> None:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: httpx2.Response(204)))
    use_large_pieces(client)
    assert asyncio.run(client.get("http://example.test")).status_code == 204
