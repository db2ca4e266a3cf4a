import asyncio

import pytest

from dataflow.errors import RefusedAnswer, TransientAnswer
from dataflow.serving.fetch import PictureFetcher
from tests.drawing import draw_png, mark_of
from tests.loopback import LoopbackServer

RED = draw_png(mark_of("red"))


def fetch(url, own="http://gateway.example/v1"):
    async def run():
        fetcher = PictureFetcher(own)
        try:
            return await fetcher.fetch(url)
        finally:
            await fetcher.close()

    return asyncio.run(run())


def test_the_gateways_own_host_and_port_may_be_private():
    with LoopbackServer() as server:
        url = server.publish(RED)
        assert fetch(url, own=server.url) == RED
        with pytest.raises(RefusedAnswer, match="not a public address"):
            fetch(url, own="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.png",
        "http://localhost/x.png",
        "http://2130706433/x.png",
        "http://[::1]/x.png",
        "http://[::ffff:127.0.0.1]/x.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x.png",
        "http://0.0.0.0/x.png",
        "http://[64:ff9b::7f00:1]/x.png",
        "file:///etc/passwd",
        "http:///x.png",
    ],
)
def test_addresses_of_our_own_network_are_refused(url):
    with pytest.raises(RefusedAnswer):
        fetch(url)


def test_a_redirect_is_checked_again():
    with LoopbackServer() as server:
        server.redirects["/inside"] = "http://127.0.0.1:1/x.png"
        with pytest.raises(RefusedAnswer, match="not a public address"):
            fetch(server.url + "/inside", own=server.url)


def test_redirects_end():
    with LoopbackServer() as server:
        server.redirects["/round"] = server.url + "/round"
        with pytest.raises(TransientAnswer, match="too many redirects"):
            fetch(server.url + "/round", own=server.url)


def test_a_missing_picture_may_have_been_paid():
    with LoopbackServer() as server, pytest.raises(TransientAnswer, match="HTTP 404") as caught:
        fetch(server.url + "/picture/none", own=server.url)
    assert (caught.value.maybe_paid, caught.value.retries) == (True, 1)


def test_behind_a_proxy_the_proxy_dials(monkeypatch):
    with LoopbackServer() as server:
        name = server.publish(RED).rpartition("/")[2]
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        assert fetch(f"http://pictures.invalid/{name}") == RED
        monkeypatch.setenv("no_proxy", "pictures.invalid")
        with pytest.raises(TransientAnswer):
            fetch(f"http://pictures.invalid/{name}")
        with pytest.raises(RefusedAnswer):
            fetch("http://127.0.0.1:1/x.png")
