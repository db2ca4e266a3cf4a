"""How an attempt ends that brings no reply: whether there was a connection decides whether it may be paid."""

import asyncio
import socket
import struct
from contextlib import suppress

import pytest

from dataflow.serving.api.http.endpoint import Endpoint
from dataflow.serving.dialects.reply import Post

SMALL = Post("/chat/completions", content=b'{"model": "m"}')
LARGE = Post("/chat/completions", content=b"{" + b" " * (16 << 20) + b"}")
WITH_FILES = Post("/images/edits", fields={"model": "m"}, files=(("image[]", "0.png", b"x" * (8 << 20), "image/png"),))


async def attempt_at(address, post=SMALL, **options):
    endpoint = Endpoint(address, {}, width=2, **{"timeout": 30.0, **options})
    try:
        async with endpoint.send(post) as attempt:
            return attempt.ending, attempt.text
    finally:
        await endpoint.close()


def ask_a_server(answer, post=SMALL, *, scheme="http", **options):
    """How one attempt ends at a server whose every connection is handed to `answer`; and how often it was asked."""
    connections: list[asyncio.Task[None]] = []

    async def run():
        async def handle(reader, writer):
            task = asyncio.current_task()
            assert task is not None
            connections.append(task)
            await answer(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            address = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            ended = await attempt_at(address, post, **options)
            await asyncio.wait(connections)
            return ended

    return asyncio.run(run()), len(connections)


def reset(writer):
    """End a connection with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_it_all(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))


async def reset_after_the_request(reader, writer):
    await read_it_all(reader)
    reset(writer)


async def close_after_the_request(reader, writer):
    await read_it_all(reader)


async def reset_amid_the_request(reader, writer):
    await reader.read(1000)
    reset(writer)


async def close_amid_the_request(reader, writer):
    await reader.read(1000)


async def reset_amid_the_headers(reader, writer):
    await read_it_all(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()
    reset(writer)


async def answer_no_http(reader, writer):
    await read_it_all(reader)
    writer.write(b"\x00\x01\x02 what is this\r\n\r\n")
    await writer.drain()


async def break_off_before_the_body(reader, writer):
    await read_it_all(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        reset_after_the_request,
        close_after_the_request,
        reset_amid_the_headers,
        answer_no_http,
        break_off_before_the_body,
    ],
)
@pytest.mark.parametrize("post", [SMALL, WITH_FILES], ids=["json", "files"])
def test_what_breaks_off_once_the_request_was_sent_may_be_paid_and_is_sent_once(answer, post):
    (on, text), connections = ask_a_server(answer, post)
    assert on == "lost"
    assert text
    assert connections == 1


@pytest.mark.parametrize("answer", [reset_amid_the_request, close_amid_the_request])
@pytest.mark.parametrize("post", [LARGE, WITH_FILES], ids=["json", "files"])
def test_what_breaks_off_while_the_request_is_sent_counts_as_perhaps_paid(answer, post):
    (on, _), connections = ask_a_server(answer, post)
    assert on == "lost"
    assert connections == 1


def test_a_body_that_breaks_off_counts_as_far_as_it_came():
    async def answer(reader, writer):
        await read_it_all(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndata: x\n\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    (on, _), connections = ask_a_server(answer)
    assert on == "answered"
    assert connections == 1


def test_silence_is_lost_after_the_time_for_a_request():
    async def answer(reader, writer):
        await reader.read()  # until the client gives up

    (on, text), connections = ask_a_server(answer, timeout=0.3)
    assert (on, connections) == ("lost", 1)
    assert "0.3 s" in text


def test_a_port_where_nobody_listens_was_never_reached():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        on, _ = asyncio.run(attempt_at(f"http://127.0.0.1:{taken.getsockname()[1]}/v1"))
    assert on == "unconnected"


def test_a_host_without_an_address_was_never_reached():
    on, _ = asyncio.run(attempt_at("http://nobody.invalid/v1"))
    assert on == "unconnected"


def test_a_host_that_takes_no_connection_in_time_was_never_reached():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # they fill the queue of connections that nobody takes
            one.setblocking(False)
            one.connect_ex(address)
        on, _ = asyncio.run(attempt_at(f"http://127.0.0.1:{address[1]}/v1", connect=0.3))
        for one in waiting:
            one.close()
    assert on == "unconnected"


def test_a_server_that_speaks_no_tls_was_never_reached():
    async def answer(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    (on, _), _ = ask_a_server(answer, scheme="https")
    assert on == "unconnected"


def test_a_proxy_that_is_not_there_was_never_reached(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        on, _ = asyncio.run(attempt_at("http://images.example/v1"))
    assert on == "unconnected"
