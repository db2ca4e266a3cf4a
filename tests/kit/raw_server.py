"""A server on loopback that sends given bytes to whoever asks for a path, well-formed or not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

Raw = bytes | None


def http_reply(body: bytes, status: int = 200, *, length: int | None = None) -> bytes:
    """A reply of HTTP/1.1.

    Args:
        body: of the reply.
        status: HTTP status.
        length: that the head states; None: the body's own.
    """
    stated = len(body) if length is None else length
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, stated, body)


@asynccontextmanager
async def raw_server(replies: Mapping[str, Raw]) -> AsyncIterator[str]:
    """Serve on the running loop; gives the address, such as `http://127.0.0.1:1234`.

    Args:
        replies: path → the bytes that are sent before the connection is closed; None: nothing is sent, and the
            connection stays open until the server closes.
    """
    is_closing = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        raw = replies[head.split()[1].decode()]
        if raw is None:
            await is_closing.wait()
        else:
            writer.write(raw)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        is_closing.set()
        server.close()
