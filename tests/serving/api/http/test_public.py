import asyncio

import pytest

from dataflow.serving.api.http.public import NotFetched, PublicFetcher
from tests.kit.drawing import draw_png, mark_of
from tests.kit.picture_host import PictureHost, Said

RED = draw_png(mark_of("red"))


def fetch(url, own="", hosts=()):
    async def run():
        fetcher = PublicFetcher(own, hosts)
        try:
            return await fetcher.fetch(url)
        finally:
            await fetcher.close()

    return asyncio.run(run())


def test_without_a_server_of_ones_own_nothing_private_is_fetched():
    with PictureHost({"/a.png": RED}) as host:
        for own in ("", "http://127.0.0.1:1/v1"):
            with pytest.raises(NotFetched, match="not a public address") as caught:
                fetch(f"{host.url}/a.png", own)
            assert caught.value.refused
        with pytest.raises(NotFetched, match="by a link without a host"):
            fetch("/a.png")
        assert not host.asked
        assert fetch(f"{host.url}/a.png", hosts=[host.name]) == RED


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (404, {}, 0),
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "2"}, 2),
        (429, {"x-ratelimit-reset": "30"}, 30),
        (500, {"x-ratelimit-reset": "30"}, 0),
    ],
)
def test_what_the_server_answered_and_how_long_to_wait_is_known(status, headers, wait):
    with PictureHost() as host:
        host.said["/a.png"] = [Said(status, headers)]
        with pytest.raises(NotFetched, match=f"HTTP {status}") as caught:
            fetch(f"{host.url}/a.png", hosts=[host.name])
    assert (caught.value.status, caught.value.wait, caught.value.refused) == (status, wait, False)


def test_a_body_that_breaks_off_is_no_picture():
    with PictureHost() as host:
        host.said["/a.png"] = [Said(200, cut=True)]
        with pytest.raises(NotFetched) as caught:
            fetch(f"{host.url}/a.png", hosts=[host.name])
    assert (caught.value.status, caught.value.refused) == (0, False)
