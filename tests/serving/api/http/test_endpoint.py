import asyncio
import contextlib
import gzip
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
