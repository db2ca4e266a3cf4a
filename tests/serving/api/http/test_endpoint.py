"""Requests over one address: what is sent, how replies end, and what an attempt without a reply means."""

import asyncio
import contextlib
import gzip
import socket
import struct
from contextlib import suppress
from dataclasses import replace

import orjson
import pytest

from dataflow.serving.api.http.endpoint import MAX_BODY, MAX_ERROR_BODY, Endpoint
from dataflow.serving.dialects.reply import Post
from tests.kit.loopback import Act, LoopbackServer

POST = Post("/chat/completions", orjson.dumps({"messages": [], "stream": True}))
KEY = "sk-canary-5f2c9e1d7b3a4c60"


def send(address, *, times=1, timeout=5.0, width=2, key=""):
    async def attempt(endpoint):
        async with endpoint.send(POST) as received:
            return replace(received, body=bytes(received.body))

    async def run():
        endpoint = Endpoint(address, {}, secret=key, width=width, timeout=timeout)
        try:
            return await asyncio.gather(*(attempt(endpoint) for _ in range(times)))
        finally:
            await endpoint.close()

    return asyncio.run(run())


def test_a_stream_that_is_done_is_not_waited_for():
    with LoopbackServer(acts=[Act(linger=True)]) as server:
        (attempt,) = send(server.url)
    assert attempt.ending == "answered"
    assert attempt.body.endswith(b"data: [DONE]\n\n")


def test_one_timed_out_post_stays_one_request():
    with LoopbackServer(acts=[Act(hang=True)]) as server:
        (attempt,) = send(server.url, timeout=0.1)
    assert (attempt.ending, attempt.text, server.requests) == ("lost", "no end after 0.1 s", 1)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_keeps_its_body_and_headers(status):
    with LoopbackServer(acts=[Act(status, {"error": "x"}, {"Retry-After": "7"})]) as server:
        (attempt,) = send(server.url)
    assert (attempt.ending, attempt.status, attempt.headers["retry-after"]) == ("status", status, "7")
    assert orjson.loads(attempt.body) == {"error": "x"}


def test_a_proxy_of_the_environment_is_used_unless_excepted(monkeypatch):
    with LoopbackServer() as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        (attempt,) = send("http://gateway.invalid/v1")
        assert (attempt.ending, server.requests) == ("answered", 1)
        monkeypatch.setenv("no_proxy", "gateway.invalid")
        (attempt,) = send("http://gateway.invalid/v1")
        assert (attempt.ending, server.requests) == ("unconnected", 1)


@pytest.mark.parametrize("length", [1_000, 3_000_000])
def test_a_reply_comes_whole_but_for_the_key(length):
    body = b"{" + bytes(length // 2) + KEY.encode() + bytes(length // 2) + b"}"
    with LoopbackServer(acts=[Act(body=body)]) as server:
        (attempt,) = send(server.url, key=KEY)
    assert attempt.body == body.replace(KEY.encode(), b"[key]")


def test_a_large_reply_in_tiny_pieces_comes_whole():
    pieces = [bytes([65 + number % 26]) * (number % 9 + 1) for number in range(60_000)]
    reply = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    async def answer(reader, writer):
        await reader.readuntil(POST.content)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + reply)
        await writer.drain()
        writer.close()

    async def run():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            endpoint = Endpoint(address, {}, width=1, timeout=30.0)
            async with endpoint.send(POST) as attempt:
                body = bytes(attempt.body)
            await endpoint.close()
            return body

    assert asyncio.run(run()) == b"".join(pieces)


def test_more_large_replies_than_places_all_come():
    with LoopbackServer(acts=[Act(body=b"x" * 400_000)] * 50) as server:
        attempts = send(server.url, times=50, width=50, timeout=30.0)
    assert [len(attempt.body) for attempt in attempts] == [400_000] * 50


def test_all_connections_may_be_in_use_at_once():
    with LoopbackServer(latency=0.3) as server:
        attempts = send(server.url, times=120, width=120)
    assert {attempt.ending for attempt in attempts} == {"answered"}
    assert server.peak == 120


def endless(status, head=b"", piece=b"A" * (1 << 20)):
    """A server whose reply never ends; and how many bytes of it were taken."""
    taken: list[int] = []

    async def answer(reader, writer):
        await reader.readuntil(POST.content)
        writer.write(b"HTTP/1.1 %d X\r\n%bConnection: close\r\n\r\n" % (status, head))
        with contextlib.suppress(ConnectionError):
            while len(taken) < 2000:
                writer.write(piece)
                await writer.drain()
                taken.append(len(piece))
        writer.close()

    async def run():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", {}, width=1, timeout=60.0)
            try:
                async with endpoint.send(POST) as received:
                    return replace(received, body=bytes(received.body))
            finally:
                await endpoint.close()

    return asyncio.run(run()), sum(taken)


@pytest.mark.parametrize("status", [302, 400, 503])
def test_the_body_of_an_error_is_read_to_a_bound(status):
    attempt, taken = endless(status)
    assert (attempt.ending, attempt.status, len(attempt.body)) == ("status", status, MAX_ERROR_BODY)
    assert taken < 16 << 20


def test_an_error_that_unpacks_to_gigabytes_is_read_to_a_bound():
    packed = b"x" * (64 << 20)
    for _ in range(2):
        packed = gzip.compress(packed, 9)
    assert len(packed) < 1000
    attempt, _ = endless(500, b"Content-Encoding: gzip, gzip\r\n", packed)
    assert (attempt.ending, len(attempt.body)) == ("status", MAX_ERROR_BODY)


@pytest.mark.parametrize("piece", [b"data: {}\n\n", b": \n", b"\n", b"[0,0],", b'"":{},'])
def test_a_reply_of_endless_small_values_is_given_up_long_before_its_bytes_are_many(piece):
    attempt, taken = endless(200, piece=piece * 10_000)
    assert (attempt.ending, attempt.text) == ("lost", "a reply of more than 2,000,000 values")
    assert taken < MAX_BODY / 4


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
