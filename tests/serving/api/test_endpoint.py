import asyncio

import orjson
import pytest

from dataflow.serving.api.endpoint import Endpoint
from dataflow.serving.dialects.reply import Post
from tests.loopback import Act, LoopbackServer

POST = Post("/chat/completions", orjson.dumps({"messages": [], "stream": True}))


def send(address, *, times=1, timeout=5.0, width=2):
    async def attempt(endpoint):
        async with endpoint.send(POST) as received:
            return received

    async def run():
        endpoint = Endpoint(address, "", width=width, timeout=timeout, openai_account=False)
        try:
            return await asyncio.gather(*(attempt(endpoint) for _ in range(times)))
        finally:
            await endpoint.close()

    return asyncio.run(run())


def test_a_stream_that_is_done_is_not_waited_for():
    with LoopbackServer(acts=[Act(linger=True)]) as server:
        (attempt,) = send(server.url)
    assert attempt.on == "answered"
    assert attempt.body.endswith(b"data: [DONE]\n\n")


def test_one_timed_out_post_stays_one_request():
    with LoopbackServer(acts=[Act(hang=True)]) as server:
        (attempt,) = send(server.url, timeout=0.1)
    assert (attempt.on, attempt.text, server.requests) == ("lost", "no end after 0.1 s", 1)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_keeps_its_body_and_headers(status):
    with LoopbackServer(acts=[Act(status, {"error": "x"}, {"Retry-After": "7"})]) as server:
        (attempt,) = send(server.url)
    assert (attempt.on, attempt.status, attempt.headers["retry-after"]) == ("status", status, "7")
    assert orjson.loads(attempt.body) == {"error": "x"}


def test_a_proxy_of_the_environment_is_used_unless_excepted(monkeypatch):
    with LoopbackServer() as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        (attempt,) = send("http://gateway.invalid/v1")
        assert (attempt.on, server.requests) == ("answered", 1)
        monkeypatch.setenv("no_proxy", "gateway.invalid")
        (attempt,) = send("http://gateway.invalid/v1")
        assert (attempt.on, server.requests) == ("unconnected", 1)


def test_all_connections_may_be_in_use_at_once():
    with LoopbackServer(latency=0.3) as server:
        attempts = send(server.url, times=120, width=120)
    assert {attempt.on for attempt in attempts} == {"answered"}
    assert server.peak == 120
